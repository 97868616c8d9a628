package descriptor

import (
	"runtime"
	"syscall"
	"unsafe"
)

// gathers tells that Write is one system call however many pieces there are.
const gathers = true

// Write is Write of all pieces.
func (v *Vector) Write(fd int) (int, error) {
	if v.n == 1 {
		return Write(fd, v.pieces[0])
	}
	var all [most]syscall.Iovec
	for i, p := range v.pieces[:v.n] {
		all[i].Base = unsafe.SliceData(p)
		all[i].SetLen(len(p))
		observe(p)
	}
	n, err := uninterrupted(func() (int, error) {
		n, _, errno := syscall.Syscall(syscall.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(&all)), uintptr(v.n))
		if errno != 0 {
			return 0, errno
		}
		return int(n), nil
	})
	runtime.KeepAlive(v)
	return n, err
}
