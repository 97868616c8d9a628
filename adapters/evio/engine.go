//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/evio"
	"golang.org/x/sys/unix"
)

// engine is a server of evio with one loop. The only connection that it accepts
// is ours: a byte on it is how the loop is told to run tasks, since evio's own
// Wake loses output and wake-ups, and writes to a descriptor that may be somebody
// else's when the server has ended.
type engine struct {
	loop       *Loop
	relay      bool
	newGraft   func(control any) (*graft, error)
	path       string // of the listener
	token      string // which the connection begins with
	low        []int  // descriptors that are taken until there is a listener
	control    net.Conn
	ready      chan struct{} // closed when the loop has seen the token
	ended      chan struct{} // closed when the server has returned
	err        error         // why it did, when ended is closed
	notGrafted error         // why there is no graft though there should be one
	count      atomic.Int64  // transports, those on their way included

	mu       sync.Mutex
	queue    []task
	spare    []task // the queue before, whose memory is used again
	underway bool   // the loop has been told, or is about to be
	over     bool   // nothing runs any more

	// of evio's loop; after its end, of the goroutine that serves
	transports map[*transport]struct{}
	graft      *graft // nil: relayed
	buffer     []byte // that relayed transports read into
	quitting   bool
	dead       bool // evio's descriptors are closed
}

func newEngine(l *Loop, o *options) *engine {
	return &engine{
		loop: l, relay: o.relay, newGraft: o.graft, token: rand.Text(),
		ready: make(chan struct{}), ended: make(chan struct{}), transports: map[*transport]struct{}{},
	}
}

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

// finish ends what has not ended, which is nothing unless the server ended of
// itself.
func (e *engine) finish() {
	e.dead = true
	e.mu.Lock()
	e.over = true
	rest := e.queue
	e.queue = nil
	e.mu.Unlock()
	for _, t := range rest {
		t.run()
	}
	e.abandonAll()
	select {
	case <-e.ready:
	default:
		return // start tells
	}
	if !e.quitting {
		e.loop.report(fmt.Errorf("amqp: evio: the server ended: %v", e.err))
		e.loop.Close()
	}
}

// abandon ends the transports, on the loop, and waits until it has.
func (e *engine) abandon() {
	done := make(chan struct{})
	if e.add(ending{e, done}) {
		<-done
	}
}

func (e *engine) abandonAll() {
	for t := range e.transports {
		t.Abandon()
	}
}

// stop ends the server.
func (e *engine) stop() {
	// The server waits for a signal that its loop gives when it ends, and that is
	// lost if it does not wait yet. The limit is for a Go that we cannot read.
	for limit := time.Now().Add(serveLimit); !serversWait() && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	e.add((*quit)(e))
	<-e.ended
}

const serveLimit = 3 * time.Second

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

// opened is told by evio. Reading into a buffer of its own spares a copy.
func opened(evio.Conn) ([]byte, evio.Options, evio.Action) {
	return nil, evio.Options{ReuseInputBuffer: true}, evio.None
}

// data is told by evio. Nothing is returned to be sent: while that is on its way,
// evio does not read.
func (e *engine) data(c evio.Conn, in []byte) ([]byte, evio.Action) {
	switch t := c.Context().(type) {
	case *transport:
		t.Input(in)
	case *engine:
		return nil, e.run()
	default:
		if string(in) != e.token {
			return nil, evio.Close
		}
		c.SetContext(e)
		if !e.relay {
			e.graft, e.notGrafted = e.newGraft(c)
		}
		close(e.ready)
	}
	return nil, evio.None
}

// closed is told by evio. The descriptor is closed already, and its number may be
// somebody else's: the transport must not touch it any more.
func closed(c evio.Conn, err error) evio.Action {
	if t, ok := c.Context().(*transport); ok {
		t.taken = true
		t.Lost(err)
	}
	return evio.None
}
