// Package vector writes pieces of memory that lie apart by one system call, so that
// what is lent, or large, need not be copied to lie together.
package vector
