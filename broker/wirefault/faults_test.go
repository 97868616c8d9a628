//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package wirefault_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/broker/wirefault"
	"github.com/haypile/haypile/ioloop"
)

const bound = 2 * time.Minute

// loops are one of each adapter.
var loops = map[string]func(t *testing.T) adapters.Loop{
	"stdnet": func(*testing.T) adapters.Loop { return stdnet.New() },
	"ioloop": func(t *testing.T) adapters.Loop {
		l, err := ioloop.New()
		if err != nil {
			t.Fatal(err)
		}
		go l.Start()
		return l
	},
	"gnet": func(t *testing.T) adapters.Loop {
		l, err := gnet.New()
		if err != nil {
			t.Fatal(err)
		}
		return l
	},
	"evio": func(t *testing.T) adapters.Loop {
		l, err := evio.New()
		if err != nil {
			t.Fatal(err)
		}
		return l
	},
}

// bench is a connection with faults, whose handler takes down what it gets and
// sends what the test gives it.
type bench struct {
	t    *testing.T
	c    *wirefault.Conn
	peer net.Conn

	mu      sync.Mutex
	changed chan struct{} // closed at the next call
	out     adapters.Transport
	got     [][]byte // one for each OnData
	send    []byte
	kept    int // Buffered after the last write
	ended   bool
	err     error
}

// onEachLoop runs a test on each adapter. set makes the faults that are there from
// the beginning.
func onEachLoop(t *testing.T, set func(c *wirefault.Conn), test func(b *bench)) {
	for name, inner := range loops {
		t.Run(name, func(t *testing.T) {
			loop := wirefault.New(inner(t))
			defer func() {
				loop.Close()
				<-loop.Done()
			}()
			b := &bench{t: t, changed: make(chan struct{})}
			opened := make(chan *wirefault.Conn, 1)
			loop.OnConnect(func(c *wirefault.Conn) {
				set(c)
				opened <- c
			})
			var ours net.Conn
			ours, b.peer = pair(t)
			if err := loop.Attach(ours, b); err != nil {
				t.Fatal(err)
			}
			b.c = <-opened
			test(b)
		})
	}
}

func pair(t *testing.T) (ours, peer net.Conn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if ours, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if peer, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	peer.SetDeadline(time.Now().Add(bound))
	return ours, peer
}

// note is told of every call.
func (b *bench) note(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *bench) OnOpen(t adapters.Transport, _ time.Time) { b.note(func() { b.out = t }) }
func (b *bench) OnData(p []byte, _ time.Time) {
	b.note(func() { b.got = append(b.got, bytes.Clone(p)) })
}
func (b *bench) OnWake(time.Time) {
	b.note(func() {
		b.out.Write([][]byte{b.send})
		b.send, b.kept = nil, b.out.Buffered()
	})
}
func (b *bench) OnClose(err error, _ time.Time) { b.note(func() { b.ended, b.err = true, err }) }

// await waits until what the handler took down is as wanted.
func (b *bench) await(what string, is func() bool) {
	b.t.Helper()
	timeout := time.After(bound)
	for {
		b.mu.Lock()
		done, changed := is(), b.changed
		b.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			b.t.Fatalf("not within %s: %s", bound, what)
		}
	}
}

// write has the handler send.
func (b *bench) write(s string) {
	b.await("OnOpen", func() bool { return b.out != nil })
	b.note(func() { b.send = append(b.send, s...) })
	b.out.Wake()
}

// received is all that the handler got, under mu.
func (b *bench) received() string { return string(slices.Concat(b.got...)) }

// read is n bytes that the peer got.
func (b *bench) read(n int) string {
	b.t.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(b.peer, p); err != nil {
		b.t.Fatalf("the peer: %v", err)
	}
	return string(p)
}

func TestSplitInputComesByteByByte(t *testing.T) {
	onEachLoop(t, func(c *wirefault.Conn) { c.Split(wirefault.In, 1) }, func(b *bench) {
		io.WriteString(b.peer, "hello")
		b.await("five calls", func() bool { return len(b.got) == 5 && b.received() == "hello" })
		b.c.Split(wirefault.In, 0)
		io.WriteString(b.peer, "world")
		b.await("the rest", func() bool { return b.received() == "helloworld" })
	})
}

func TestSplitOutputArrivesWhole(t *testing.T) {
	onEachLoop(t, func(c *wirefault.Conn) { c.Split(wirefault.Out, 1) }, func(b *bench) {
		b.write("hello")
		if got := b.read(5); got != "hello" {
			t.Errorf("%q arrived", got)
		}
	})
}

func TestStalledInputComesAfterResume(t *testing.T) {
	onEachLoop(t, func(c *wirefault.Conn) { c.Stall(wirefault.In) }, func(b *bench) {
		io.WriteString(b.peer, "hello")
		b.write("meanwhile")
		if got := b.read(9); got != "meanwhile" {
			t.Errorf("%q arrived", got)
		}
		b.mu.Lock()
		if len(b.got) != 0 {
			t.Errorf("%q came", b.got)
		}
		b.mu.Unlock()
		b.c.Resume(wirefault.In)
		b.await("what waited", func() bool { return b.received() == "hello" })
	})
}

func TestStalledOutputLeavesAfterResume(t *testing.T) {
	onEachLoop(t, func(c *wirefault.Conn) { c.Stall(wirefault.Out) }, func(b *bench) {
		b.write("hello")
		b.await("what is kept to be counted", func() bool { return b.kept == 5 })
		io.WriteString(b.peer, "meanwhile")
		b.await("input", func() bool { return b.received() == "meanwhile" })
		b.c.Resume(wirefault.Out)
		if got := b.read(5); got != "hello" {
			t.Errorf("%q arrived", got)
		}
	})
}

func TestInputIsCutBehindSoManyBytes(t *testing.T) {
	onEachLoop(t, func(c *wirefault.Conn) { c.CutAfter(wirefault.In, 3) }, func(b *bench) {
		io.WriteString(b.peer, "hello")
		b.await("the end", func() bool { return b.ended })
		if got := b.received(); got != "hel" || !errors.Is(b.err, syscall.ECONNRESET) {
			t.Errorf("%q came, then %v", got, b.err)
		}
	})
}

func TestOutputIsCutBehindSoManyBytes(t *testing.T) {
	onEachLoop(t, func(c *wirefault.Conn) { c.CutAfter(wirefault.Out, 3) }, func(b *bench) {
		b.write("hello")
		if got, err := io.ReadAll(b.peer); err != nil || string(got) != "hel" {
			t.Errorf("%q arrived, then %v", got, err)
		}
		b.peer.Close()
		b.await("the end", func() bool { return b.ended })
		if !errors.Is(b.err, syscall.ECONNRESET) {
			t.Errorf("the handler is told of %v", b.err)
		}
	})
}

func TestCutEndsAtOnce(t *testing.T) {
	onEachLoop(t, func(c *wirefault.Conn) { c.Stall(wirefault.Out) }, func(b *bench) {
		b.write("never")
		b.await("the write", func() bool { return b.send == nil })
		b.c.Cut()
		b.c.Cut()
		b.await("the end", func() bool { return b.ended })
		if got, _ := io.ReadAll(b.peer); len(got) > 0 {
			t.Errorf("%q arrived", got)
		}
		b.c.Resume(wirefault.Out) // after the end
	})
}

func TestOneByteIsCorrupted(t *testing.T) {
	set := func(c *wirefault.Conn) {
		c.Corrupt(wirefault.In, 1, 0x20)
		c.Corrupt(wirefault.Out, 6, 0x20)
		c.Corrupt(wirefault.Out, 0, 0x20)
	}
	onEachLoop(t, set, func(b *bench) {
		io.WriteString(b.peer, "hello")
		b.await("input", func() bool { return b.received() == "hEllo" })
		b.write("hello")
		b.write("world")
		if got := b.read(10); got != "HellowOrld" {
			t.Errorf("%q arrived", got)
		}
	})
}

func TestFaultsAreTakenBack(t *testing.T) {
	set := func(c *wirefault.Conn) {
		for _, d := range []wirefault.Direction{wirefault.In, wirefault.Out} {
			c.Split(d, 1)
			c.Stall(d)
			c.CutAfter(d, 2)
			c.Corrupt(d, 0, 1)
		}
	}
	onEachLoop(t, set, func(b *bench) {
		b.c.Clear()
		io.WriteString(b.peer, "hello")
		b.write("world")
		if got := b.read(5); got != "world" {
			t.Errorf("%q arrived", got)
		}
		b.await("input", func() bool { return b.received() == "hello" })
	})
}

func TestTheHandlerIsWokenWhenStalledOutputHasLeft(t *testing.T) {
	const size = 300 << 10 // more than adapters.LowWater
	onEachLoop(t, func(c *wirefault.Conn) { c.Stall(wirefault.Out) }, func(b *bench) {
		b.write(string(make([]byte, size)))
		b.await("the write", func() bool { return b.kept == size })
		b.c.Resume(wirefault.Out)
		b.read(size)
		b.await("OnWake with little left", func() bool { return b.kept <= adapters.LowWater })
	})
}
