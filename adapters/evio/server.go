//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/evio"
	"golang.org/x/sys/unix"
)

// startLimit is for the case that evio has taken the way on which it waits for
// ever: no descriptors were left when it made its poller.
const startLimit = 30 * time.Second

// start runs the server. Its listener is for us alone: it is in a directory that
// others cannot enter, and gone from there when start returns.
func (e *engine) start() error {
	dir, err := os.MkdirTemp("", "evio")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	e.path = filepath.Join(dir, "s")
	if strings.Contains(e.path, "?") || strings.Contains(e.path, "://") {
		// evio would cut the path there, and remove what bears the rest of the name.
		return fmt.Errorf("cannot use a directory of this name: %q", dir)
	}
	numbers.Lock()
	defer numbers.Unlock()
	e.low = occupy()
	go e.serve()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-e.ready:
		return nil
	case <-e.ended:
		return e.err
	case <-limit.C:
		return errors.New("the server does not start")
	}
}

// serve runs the server to its end.
func (e *engine) serve() {
	defer close(e.ended)
	err := evio.Serve(evio.Events{Serving: e.serving, Opened: opened, Data: e.data, Closed: closed}, "unix://"+e.path)
	if e.err == nil {
		e.err = err
	}
	e.vacate() // the server may have had no time to begin
	if e.control != nil {
		e.control.Close()
	}
	e.finish()
}

// numbers is held while the low ones are occupied, and while a server ends, which
// relies on their being free. It is one for the process, as they are.
var numbers sync.Mutex

// high is above the descriptors of most programs.
const high = 1 << 10

// occupy takes all descriptors below high, unless these are more than half of
// what the process may have, so that evio's listener gets one above. At its end
// evio closes it twice: if it were the lowest number that is free in between, it
// could be somebody else's by the second time.
func occupy() (taken []int) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil
	}
	end := int(min(high, uint64(limit.Cur)/2))
	n, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == nil {
		taken = append(taken, n)
		if n >= end {
			break
		}
		n, err = unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
	}
	return taken
}

// vacate gives back what occupy took.
func (e *engine) vacate() {
	for _, n := range e.low {
		unix.Close(n)
	}
	e.low = nil
}

// serving is called before the server makes its loop, when it can still be told
// not to.
func (e *engine) serving(evio.Server) evio.Action {
	e.vacate()
	if e.control, e.err = net.Dial("unix", e.path); e.err == nil {
		if _, e.err = e.control.Write([]byte(e.token)); e.err == nil {
			e.err = room()
		}
	}
	if e.err != nil {
		return evio.Shutdown
	}
	return evio.None
}

// room is an error if there are no descriptors for evio to make a loop and to
// accept a connection. It would wait for ever without the former, and end without
// the latter.
func room() error {
	for range 3 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return err
		}
		defer f.Close()
	}
	return nil
}

// stop ends the server.
func (e *engine) stop() {
	// The server waits for a signal that its loop gives when it ends, and that is
	// lost if it does not wait yet. The limit is for a Go that we cannot read.
	for limit := time.Now().Add(serveLimit); !serversWait() && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	numbers.Lock()
	defer numbers.Unlock()
	e.tasks.Add((*quit)(e))
	<-e.ended
}

const serveLimit = 30 * time.Second

// serversWait tells that no server of an engine is on its way to wait for its
// loop, nor back.
func serversWait() bool {
	records := make([]runtime.StackRecord, runtime.NumGoroutine()+100)
	n, ok := runtime.GoroutineProfile(records)
	if !ok {
		return false // there are more by now
	}
	for i := range records[:n] {
		serves, waits := false, false
		frames := runtime.CallersFrames(records[i].Stack())
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			serves = serves || strings.HasSuffix(f.Function, "adapters/evio.(*engine).serve")
			waits = waits || strings.HasSuffix(f.Function, "notifyListWait") // of sync.Cond
		}
		if serves && !waits {
			return false
		}
	}
	return true
}
