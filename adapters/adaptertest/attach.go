package adaptertest

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/haypile/haypile/adapters"
)

func testAttachAfterClose(t *trial) {
	t.loop.Close()
	t.loop.Close()
	ours, peer := t.network.pair(t)
	p := &probe{}
	p.prepare(t, peer)
	err := t.loop.Attach(ours, p)
	t.await("Done", t.loop.Done())
	p.wasRefused(ours, err)
}

func testAttachDead(t *trial) {
	ours, peer := t.network.pair(t)
	p := &probe{}
	p.prepare(t, peer)
	ours.Close()
	if err := t.loop.Attach(ours, p); err != nil {
		if p.calls != 0 {
			t.Error("the handler was called although Attach failed")
		}
		return
	}
	p.awaitEnd()
}

func testAttachInside(t *trial) {
	inner := &probe{}
	ours, peer := t.network.pair(t)
	inner.prepare(t, peer)
	p := t.attach(&probe{})
	p.run(func() {
		if err := t.loop.Attach(ours, inner); err != nil {
			t.Error(err)
		}
	})
	t.await("OnOpen", inner.opened)
	inner.run(func() {})
}

// testAttachBesideClose has goroutines attach connections until the loop is
// closed in the middle of that: each is served to its end, or refused.
func testAttachBesideClose(t *trial) {
	const callers, each = 8, 12
	var probes [callers][each]*probe
	var ours [callers][each]net.Conn
	var errs [callers][each]error
	for i := range callers {
		for j := range each {
			conn, peer := t.network.pair(t)
			probes[i][j], ours[i][j] = &probe{}, conn
			probes[i][j].prepare(t, peer)
		}
	}
	var begun atomic.Int32
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				if begun.Add(1) == callers*each/2 {
					t.loop.Close()
				}
				errs[i][j] = t.loop.Attach(ours[i][j], probes[i][j])
			}
		})
	}
	wg.Wait()
	t.await("Done", t.loop.Done())
	for i := range callers {
		for j := range each {
			if errs[i][j] == nil {
				probes[i][j].hasEnded()
			} else {
				probes[i][j].wasRefused(ours[i][j], errs[i][j])
			}
		}
	}
}

// hasEnded is for when the loop is done.
func (p *probe) hasEnded() {
	p.t.Helper()
	select {
	case <-p.ended:
	default:
		p.t.Error("the loop is done, and a transport had no OnClose")
	}
}

// wasRefused is for when Attach has returned ErrClosed.
func (p *probe) wasRefused(ours net.Conn, err error) {
	p.t.Helper()
	if !errors.Is(err, adapters.ErrClosed) || !errors.Is(err, net.ErrClosed) {
		p.t.Errorf("Attach returned %v", err)
	}
	if _, err := ours.Write([]byte("x")); err == nil {
		p.t.Error("the connection is open")
	}
	if p.calls != 0 {
		p.t.Error("the handler was called")
	}
}
