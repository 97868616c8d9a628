//go:build !unix

package descriptor

// gathers tells that Write is one system call however many pieces there are.
const gathers = false
