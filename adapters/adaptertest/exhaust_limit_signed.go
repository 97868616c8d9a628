//go:build dragonfly || freebsd

package adaptertest

// limit is a number as the system's limits have it.
func limit(fd uintptr) int64 { return int64(fd) }
