package stdnet

import "syscall"

// doze keeps what arrives from waking the runtime's poller while nobody reads: it
// would look at each packet only to find that. The end of the input still wakes it,
// and so do readSize bytes, which is little enough for the kernel not to enlarge its
// buffer. Where the kernel refuses, only the saving is lost.
func (s *rawSocket) doze(on bool) {
	lowWater := 1
	if on {
		lowWater = readSize
	}
	_ = s.raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVLOWAT, lowWater)
	})
}
