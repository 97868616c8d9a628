//go:build unix

package descriptor

import "syscall"

// Read reads what there is. The error is a syscall.Errno, EAGAIN when there is nothing;
// 0 without one is the end.
func Read(fd int, p []byte) (int, error) {
	return uninterrupted(func() (int, error) { return syscall.Read(fd, p) })
}

// Write writes what the kernel takes at once. The error is a syscall.Errno, EAGAIN when
// that is nothing.
func Write(fd int, p []byte) (int, error) {
	return uninterrupted(func() (int, error) { return syscall.Write(fd, p) })
}

// uninterrupted makes a system call again for as long as signals break it off.
func uninterrupted(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
