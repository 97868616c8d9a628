package adaptertest

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/adapters"
)

// loop is a good loop with a fault put in.
type loop struct {
	adapters.Loop
	fault faulty
}

func (l *loop) Attach(conn net.Conn, h adapters.Handler) error {
	if l.fault.handler != nil {
		h = l.fault.handler(h)
	}
	if l.fault.transport != nil {
		h = &wraps{h, l.fault}
	}
	if l.fault.attach != nil {
		return l.fault.attach(l.Loop, conn, h)
	}
	return l.Loop.Attach(conn, h)
}

// wraps hands a faulty transport to the handler.
type wraps struct {
	adapters.Handler
	fault faulty
}

func (w *wraps) OnOpen(t adapters.Transport, now time.Time) {
	w.Handler.OnOpen(w.fault.transport(t, w.Handler), now)
}

type losesWakes struct {
	adapters.Transport
	n atomic.Int64
}

func (t *losesWakes) Wake() {
	if n := t.n.Add(1); n < 1000 {
		t.Transport.Wake()
	}
}

// answersEach calls OnWake once for each Wake.
type answersEach struct {
	adapters.Handler
	asked atomic.Int64
}

func (h *answersEach) OnWake(now time.Time) {
	for range h.asked.Swap(0) {
		h.Handler.OnWake(now)
	}
}

// counts is the transport of answersEach.
type counts struct {
	adapters.Transport
	h *answersEach
}

func (t counts) Wake() {
	t.h.asked.Add(1)
	t.Transport.Wake()
}

type wakesInPlace struct {
	adapters.Transport
	h adapters.Handler
}

func (t *wakesInPlace) Wake() { t.h.OnWake(time.Now()) }

type wakesHereAnyway struct {
	adapters.Transport
	h adapters.Handler
}

func (t *wakesHereAnyway) WakeHere() { t.h.OnWake(time.Now()) }

type endsTwice struct{ adapters.Handler }

func (h *endsTwice) OnClose(err error, now time.Time) {
	h.Handler.OnClose(err, now)
	h.Handler.OnClose(err, now)
}

type keepsLent struct {
	adapters.Transport
	once sync.Once
	kept [][]byte
}

func (t *keepsLent) Write(segs [][]byte) { t.kept = append(t.kept, segs...) }

func (t *keepsLent) Close() {
	t.once.Do(func() { t.Transport.Write(t.kept) })
	t.Transport.Close()
}

type early struct{ adapters.Transport }

func (t early) SetWakeup(at time.Time) {
	if !at.IsZero() {
		at = at.Add(-time.Hour)
	}
	t.Transport.SetWakeup(at)
}

type disarmsNot struct{ adapters.Transport }

func (t disarmsNot) SetWakeup(at time.Time) {
	if !at.IsZero() {
		t.Transport.SetWakeup(at)
	}
}

type addsWakeups struct{ adapters.Transport }

func (t addsWakeups) SetWakeup(at time.Time) {
	if !at.IsZero() {
		time.AfterFunc(time.Until(at), t.Wake)
	}
}

type overflows struct{ adapters.Transport }

func (t overflows) SetWakeup(at time.Time) {
	if !at.IsZero() {
		at = time.Now().Add(time.Duration(int32(time.Until(at).Milliseconds())+1) * time.Millisecond)
	}
	t.Transport.SetWakeup(at)
}

// wakesForNothing is spurious at every third wakeup that is set.
type wakesForNothing struct {
	adapters.Transport
	n int
}

func (t *wakesForNothing) SetWakeup(at time.Time) {
	t.Transport.SetWakeup(at)
	if t.n++; t.n%3 == 0 {
		t.Wake()
	}
}

// outlives calls OnWake at the wakeup's time, whatever has happened since.
type outlives struct {
	adapters.Transport
	h adapters.Handler
}

func (t outlives) SetWakeup(at time.Time) {
	if !at.IsZero() {
		time.AfterFunc(time.Until(at), func() { t.h.OnWake(time.Now()) })
	}
}

// breaksDown takes the loop with it when it panics in OnClose: just before, for
// what others find is the same then, whoever comes first.
type breaksDown struct {
	adapters.Handler
	loop adapters.Loop
}

func (h breaksDown) OnClose(err error, now time.Time) {
	if h.Handler.(*probe).close != nil { // which is what panics
		h.loop.Close()
	}
	h.Handler.OnClose(err, now)
}

type drops struct{ adapters.Transport }

func (t drops) Close() { t.Abort() }

type swaps struct{ adapters.Handler }

func (h *swaps) OnData(p []byte, now time.Time) {
	if len(p) > 1 {
		p[0], p[1] = p[1], p[0]
	}
	h.Handler.OnData(p, now)
}

type swallows struct{ adapters.Handler }

func (h *swallows) OnWake(now time.Time) {
	defer func() { recover() }()
	h.Handler.OnWake(now)
}

type reads struct{ adapters.Transport }

func (reads) SetReading(bool) {}

// hearsOn has input come after Close.
type hearsOn struct {
	adapters.Handler
	closed bool
}

func (h *hearsOn) OnWake(now time.Time) {
	h.Handler.OnWake(now)
	if h.closed {
		h.Handler.OnData([]byte("x"), now)
	}
}

// closes is the transport of hearsOn.
type closes struct {
	adapters.Transport
	h *hearsOn
}

func (t closes) Close() {
	t.h.closed = true
	t.Transport.Close()
}

// readsAhead keeps what comes while reading is off, up to a limit.
type readsAhead struct {
	adapters.Handler
	transport adapters.Transport
	most      int
	loses     bool
	off       bool
	held      []byte
}

func (h *readsAhead) OnData(p []byte, now time.Time) {
	switch {
	case !h.off:
		h.Handler.OnData(p, now)
	case len(h.held)+len(p) > h.most:
		h.transport.Abort()
	default:
		h.held = append(h.held, p...)
	}
}

func (h *readsAhead) OnWake(now time.Time) {
	h.Handler.OnWake(now)
	if p := h.held; !h.off && len(p) > 0 && !h.loses {
		h.held = nil
		h.Handler.OnData(p, now)
	}
}

// ahead is the transport of readsAhead.
type ahead struct {
	adapters.Transport
	h *readsAhead
}

func newAhead(t adapters.Transport, h adapters.Handler) adapters.Transport {
	r := h.(*readsAhead)
	r.transport = t
	return ahead{t, r}
}

func (t ahead) SetReading(on bool) { t.h.off = !on }

type wakesBeside struct {
	adapters.Transport
	h adapters.Handler
}

func (t *wakesBeside) Wake() { go t.h.OnWake(time.Now()) }

type nests struct {
	adapters.Transport
	h    adapters.Handler
	once sync.Once
}

func (t *nests) Close() {
	t.Transport.Close()
	t.once.Do(func() { t.h.OnClose(nil, time.Now()) })
}

type wakesInThePast struct{ adapters.Handler }

func (h *wakesInThePast) OnWake(now time.Time) { h.Handler.OnWake(now.Add(-time.Hour)) }

// onlyWakes keeps from the handler every OnWake that Wake did not ask for.
type onlyWakes struct {
	adapters.Handler
	asked atomic.Bool
}

func (h *onlyWakes) OnWake(now time.Time) {
	if h.asked.Swap(false) {
		h.Handler.OnWake(now)
	}
}

type asksForWakes struct {
	adapters.Transport
	h *onlyWakes
}

func (t *asksForWakes) Wake() {
	t.h.asked.Store(true)
	t.Transport.Wake()
}

type neverEnds struct{ adapters.Handler }

func (h *neverEnds) OnClose(error, time.Time) {}
