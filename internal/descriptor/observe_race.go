//go:build race && linux

package descriptor

import (
	"runtime"
	"unsafe"
)

// observe tells the race detector of what the kernel reads.
func observe(p []byte) { runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(p)), len(p)) }
