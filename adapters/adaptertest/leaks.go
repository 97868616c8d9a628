package adaptertest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// resources are what the process holds.
type resources struct {
	goroutines int
	files      []string // what the descriptors are; none where the OS does not tell
}

func inUse() resources {
	r := resources{goroutines: runtime.NumGoroutine()}
	const dir = "/proc/self/fd"
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil { // else it was ReadDir's own
			r.files = append(r.files, e.Name()+" "+name)
		}
	}
	return r
}

// checkFreed waits until the process holds no more than it did before.
func (before resources) checkFreed(t *testing.T) {
	for deadline := time.Now().Add(bound); ; time.Sleep(time.Millisecond) {
		now := inUse()
		if now.goroutines <= before.goroutines && len(now.files) <= len(before.files) {
			return
		}
		if time.Now().Before(deadline) {
			continue
		}
		if now.goroutines > before.goroutines {
			t.Errorf("%d goroutines, %d before the test:\n%s", now.goroutines, before.goroutines, indent(stacks()))
		}
		if len(now.files) > len(before.files) {
			t.Errorf("%d files are open, %d before the test:\n%s", len(now.files), len(before.files),
				indent(strings.Join(now.files, "\n")))
		}
		return
	}
}

// warmUp has the runtime open what it keeps for all connections.
func warmUp(t *testing.T) {
	ours, peer := socketPair(t, "tcp", "127.0.0.1:0")
	ours.Close()
	peer.Close()
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// indent makes a text stand out in a failure.
func indent(s string) string { return "\t" + strings.ReplaceAll(s, "\n", "\n\t") }
