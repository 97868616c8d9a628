package adaptertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/haypile/haypile/adapters"
)

func testCloseFlushes(t *trial) {
	out := pattern(5 << 20)
	p := t.attach(&probe{})
	p.run(func() {
		p.transport.Write([][]byte{out})
		p.transport.Close()
		p.transport.Close()
		p.transport.Write([][]byte{[]byte("ignored")})
	})
	if got := readAll(t, p.peer); !bytes.Equal(got, out) {
		t.Errorf("the peer got %d of %d bytes, or others", len(got), len(out))
	}
	p.peer.Close()
	if err := p.awaitEnd(); err != nil {
		t.Errorf("OnClose got %v", err)
	}
}

func testCloseWithUnreadInput(t *trial) {
	out := pattern(200_000)
	closed := false
	p := t.attach(&probe{data: func([]byte) {
		if closed {
			t.Error("OnData after Close")
		}
	}})
	p.run(func() { p.transport.SetReading(false) })
	if _, err := p.peer.Write(pattern(100_000)); err != nil {
		t.Fatal(err)
	}
	p.run(func() {
		p.transport.Write([][]byte{out})
		p.transport.Close()
		closed = true
	})
	if got := readAll(t, p.peer); !bytes.Equal(got, out) {
		t.Errorf("the peer got %d of %d bytes, or others", len(got), len(out))
	}
	p.peer.Close()
	p.awaitEnd()
}

func testAbort(t *trial) {
	p := t.attach(&probe{})
	p.run(func() {
		p.transport.Write([][]byte{pattern(1000)})
		p.transport.Abort()
		p.transport.Abort()
		p.transport.Close()
	})
	if err := p.awaitEnd(); err != nil {
		t.Errorf("OnClose got %v", err)
	}
	p.peer.SetReadDeadline(time.Now().Add(bound))
	for buf := make([]byte, 4096); ; {
		if _, err := p.peer.Read(buf); err != nil {
			if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
				t.Error("the peer sees no end")
			}
			return
		}
	}
}

func testAbortStalled(t *trial) {
	p := t.attach(&probe{})
	p.run(func() { p.transport.Write([][]byte{make([]byte, 16<<20)}) })
	p.run(p.transport.Close) // which waits for the peer
	p.run(p.transport.Abort)
	p.awaitEnd()
}

func testPeerClose(t *trial) {
	p := t.attach(&probe{})
	p.peer.Close()
	if err := p.awaitEnd(); err != nil {
		t.Errorf("OnClose got %v", err)
	}
}

// testHalfClose: AMQP has no half-open connections.
func testHalfClose(t *trial) {
	p := t.attach(&probe{})
	p.peer.(interface{ CloseWrite() error }).CloseWrite()
	if err := p.awaitEnd(); err != nil {
		t.Errorf("OnClose got %v", err)
	}
	readAll(t, p.peer) // ends
}

func testLastWords(t *trial) {
	const size = 1 << 20
	n := 0
	p := t.attach(&probe{data: func(b []byte) { n += len(b) }})
	go func() {
		p.peer.Write(pattern(size))
		p.peer.Close()
	}()
	if err := p.awaitEnd(); err != nil || n != size {
		t.Errorf("%d of %d bytes came before OnClose, which got %v", n, size, err)
	}
}

func testPeerReset(t *trial) {
	p := t.attach(&probe{})
	t.network.reset(p.peer)
	if err := p.awaitEnd(); err == nil {
		t.Error("OnClose got no error")
	}
}

// testFailedOutput: a transport that does not read learns of a dead peer from
// its output. One that reads ahead may see the end first, and that may be clean.
func testFailedOutput(t *trial) {
	p := &probe{}
	p.wake = func(now time.Time) {
		p.transport.Write([][]byte{[]byte("anybody there?")})
		p.transport.SetWakeup(now.Add(time.Millisecond))
	}
	p.open = func() { p.transport.SetReading(false) }
	t.attach(p)
	reset := t.network.reset
	if reset != nil {
		reset(p.peer)
	}
	p.peer.Close()
	p.transport.Wake()
	if err := p.awaitEnd(); err == nil && (reset != nil || t.kit.readAhead == 0) {
		t.Error("OnClose got no error")
	}
}

func testEndInsideCalls(t *trial) {
	ends := map[string]func(adapters.Transport){
		"Close": adapters.Transport.Close,
		"Abort": adapters.Transport.Abort,
		"Write and Close": func(tr adapters.Transport) {
			tr.Write([][]byte{[]byte("bye")})
			tr.Close()
		},
	}
	for name, end := range ends {
		for _, where := range []string{"OnOpen", "OnData", "OnWake"} {
			p := &probe{}
			f := func() { end(p.transport) }
			switch where {
			case "OnOpen":
				p.open = f
			case "OnData":
				p.data = func([]byte) { f() }
			case "OnWake":
				p.wake = func(time.Time) { f() }
			}
			p.close = func(error) { f() } // and once more when all is over
			t.attach(p)
			p.peer.SetWriteDeadline(time.Now().Add(bound))
			switch where {
			case "OnData":
				p.peer.Write([]byte("x"))
			case "OnWake":
				p.transport.Wake()
			}
			p.peer.SetReadDeadline(time.Now().Add(bound))
			p.peer.Read(make([]byte, 10))
			p.peer.Close()
			if err := p.awaitEnd(); err != nil {
				t.Errorf("%s in %s: OnClose got %v", name, where, err)
			}
		}
	}
}

func testPanic(t *trial) {
	other := t.attach(&probe{})
	for _, where := range []string{"OnOpen", "OnData", "OnWake"} {
		p := &probe{}
		cause := errors.New("in " + where)
		f := func() { panic(cause) }
		switch where {
		case "OnOpen":
			p.open = f
		case "OnData":
			p.data = func([]byte) { f() }
		case "OnWake":
			p.wake = func(time.Time) { f() }
		}
		t.attach(p)
		if where == "OnData" {
			go p.peer.Write([]byte("x")) // nobody may read it from a pipe
		}
		p.transport.Wake()
		err := p.awaitEnd()
		var e *adapters.PanicError
		if !errors.As(err, &e) || !errors.Is(err, cause) || len(e.Stack) == 0 {
			t.Errorf("panic in %s: OnClose got %v", where, err)
		}
	}
	other.run(func() {})
}

// testPanicInOnClose: there is nobody left to tell, and it is one handler's fault.
func testPanicInOnClose(t *trial) {
	other := t.attach(echo())
	for _, end := range []func(p *probe){
		func(p *probe) { p.run(p.transport.Abort) },
		func(p *probe) { p.run(p.transport.Close); p.peer.Close() },
		func(p *probe) { p.peer.Close() },
		func(p *probe) {
			p.mu.Lock()
			p.wake = func(time.Time) { panic("in OnWake") }
			p.mu.Unlock()
			p.transport.Wake()
		},
	} {
		closed := make(chan struct{})
		p := &probe{close: func(error) {
			close(closed)
			panic("in OnClose, as the test wants it")
		}}
		t.attach(p)
		end(p)
		t.await("OnClose", closed)
		other.echoes()
	}
	t.attach(echo()).echoes()
}

// testWakeupOutlived has transports end before their wakeup comes.
func testWakeupOutlived(t *trial) {
	other := t.alarm()
	for _, end := range []func(p *probe){
		func(p *probe) { p.transport.Abort() },
		func(p *probe) { p.transport.Close(); p.peer.Close() },
		func(p *probe) { p.peer.Close() },
	} {
		p := t.attach(&probe{})
		p.run(func() {
			p.transport.SetWakeup(time.Now().Add(soon))
			end(p)
		})
		p.awaitEnd()
	}
	other.ticks() // the probes find calls after the end
}

func testLoopClose(t *trial) {
	var probes []*probe
	for range 10 {
		probes = append(probes, t.attach(&probe{}))
	}
	probes[0].run(func() { probes[0].transport.Write([][]byte{make([]byte, 16<<20)}) })
	probes[1].run(func() { t.loop.Close() })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { t.loop.Close() })
	}
	wg.Wait()
	t.await("Done", t.loop.Done())
	for _, p := range probes {
		p.awaitEnd()
	}
}

func testThousand(t *trial) {
	many, limit := 1000, t.kit.descriptors
	if limit > 0 {
		many = limit / 4 // two for each transport, and as many again to spare
	}
	var wg sync.WaitGroup
	for range many {
		wg.Go(t.attach(echo()).echoes)
	}
	wg.Wait()
	if limit > 0 {
		testDescriptorTooHigh(t, limit)
	}
}

// echoes speaks to a handler that sends back what it gets.
func (p *probe) echoes() {
	for range 5 {
		p.peer.SetDeadline(time.Now().Add(bound))
		p.peer.Write([]byte("ping"))
		if _, err := p.peer.Read(make([]byte, 10)); err != nil {
			p.t.Errorf("no echo: %v", err)
			return
		}
	}
}

func testDescriptorTooHigh(t *trial, limit int) {
	other := t.attach(echo())
	var held []io.Closer
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	ours, peer := t.network.pair(t)
	for range limit { // so that any further descriptor is above it
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, l)
	}
	p := &probe{}
	p.prepare(t, peer)
	if err := t.loop.Attach(ours, p); err == nil {
		if err := p.awaitEnd(); err == nil {
			t.Error("a connection whose descriptor is too high ended without an error")
		}
	} else if p.calls != 0 {
		t.Error("the handler was called although Attach failed")
	}
	other.echoes()
}
