// Package descriptor reads and writes descriptors that do not block, by the standard
// library alone. What lies apart in memory is written by one system call, so that what
// is lent, or large, need not be copied to lie together.
package descriptor
