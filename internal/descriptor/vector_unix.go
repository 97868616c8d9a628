//go:build unix && !linux

package descriptor

import "syscall"

// gathers tells that Write is one system call however many pieces there are.
const gathers = false

// Write writes to a descriptor that does not block what the kernel takes at once. The
// error is a syscall.Errno. The standard library has no writev here that may be used.
func (v *Vector) Write(fd int) (int, error) {
	written := 0
	for _, p := range v.pieces[:v.n] {
		n, err := syscall.Write(fd, p)
		if err != nil && written == 0 {
			return 0, err
		}
		written += max(n, 0)
		if err != nil || n < len(p) {
			break
		}
	}
	return written, nil
}
