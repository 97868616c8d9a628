package adaptertest

import (
	"sync"
	"sync/atomic"
	"time"
)

// testSelfWake has a handler that is never done ask for turns, for ever.
func testSelfWake(t *trial) {
	var stop atomic.Bool
	busy := &probe{}
	busy.wake = func(time.Time) {
		if !stop.Load() {
			busy.transport.Wake()
		}
	}
	t.attach(busy)
	other := t.attach(echo())
	busy.transport.Wake()
	other.echoes()
	stop.Store(true)
}

// echo is a handler that sends back what it gets.
func echo() *probe {
	p := &probe{}
	p.data = func(b []byte) { p.transport.Write([][]byte{b}) }
	return p
}

// testExhausted attaches a connection when the process has no descriptor left.
// It may work, or be refused, or end with an error; nobody else may notice.
func testExhausted(t *trial) {
	before := t.attach(echo())
	during := echo()
	ours, peer := t.network.pair(t)
	during.prepare(t, peer)

	release := sync.OnceFunc(exhaust(t))
	defer release() // also when the test fails
	err := t.loop.Attach(ours, during)
	before.echoes()
	switch {
	case err == nil:
		t.await("OnOpen", during.opened)
		during.worksOrEnds()
	case during.calls != 0:
		t.Error("the handler was called although Attach failed")
	}
	release()

	before.echoes()
	t.attach(echo()).echoes()
}

// worksOrEnds fails unless the transport does one of the two, and ends with an
// error if it ends.
func (p *probe) worksOrEnds() {
	p.t.Helper()
	p.peer.SetDeadline(time.Now().Add(bound))
	p.peer.Write([]byte("ping"))
	if n, _ := p.peer.Read(make([]byte, 10)); n > 0 {
		return
	}
	if err := p.awaitEnd(); err == nil {
		p.t.Error("the transport ended without an error")
	}
}
