//go:build linux || darwin || netbsd || openbsd

package adaptertest

// limit is a number as the system's limits have it.
func limit(fd uintptr) uint64 { return uint64(fd) }
