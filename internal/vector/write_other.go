//go:build !unix

package vector

// Gathers tells that Write is one system call however many pieces there are.
const Gathers = false
