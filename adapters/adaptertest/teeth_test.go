package adaptertest

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/stdnet"
)

// faulty is a loop that breaks one promise, and the subtest that must find it.
type faulty struct {
	subtest   string
	handler   func(h adapters.Handler) adapters.Handler
	transport func(t adapters.Transport, h adapters.Handler) adapters.Transport
	attach    func(l adapters.Loop, conn net.Conn, h adapters.Handler) error
}

var faults = map[string]faulty{
	"loses some wakes": {
		subtest:   "Wake_is_never_lost",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return &losesWakes{Transport: t} },
	},
	"wakes on the caller's stack": {
		subtest:   "Wake_is_never_lost",
		transport: func(t adapters.Transport, h adapters.Handler) adapters.Transport { return &wakesInPlace{t, h} },
	},
	"tells the end twice": {
		subtest: "OnOpen_comes_first",
		handler: func(h adapters.Handler) adapters.Handler { return &endsTwice{h} },
	},
	"keeps what Write lends": {
		subtest:   "Write_copies",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return &keepsLent{Transport: t} },
	},
	"is early": {
		subtest:   "SetWakeup_is_never_early",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return early{t} },
	},
	"drops output on Close": {
		subtest:   "Close_sends_everything_first",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return drops{t} },
	},
	"swaps bytes": {
		subtest: "bytes_arrive",
		handler: func(h adapters.Handler) adapters.Handler { return &swaps{h} },
	},
	"swallows panics": {
		subtest: "a_panic",
		handler: func(h adapters.Handler) adapters.Handler { return &swallows{h} },
	},
	"goes on reading": {
		subtest:   "SetReading",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return reads{t} },
	},
	"attaches after Close": {
		subtest: "Attach_after_Close",
		attach: func(l adapters.Loop, conn net.Conn, h adapters.Handler) error {
			if err := l.Attach(conn, h); err != nil {
				go h.OnClose(err, time.Now())
			}
			return nil
		},
	},
}

const faultVariable = "ADAPTERTEST_FAULT"

// TestFaultyLoop does nothing by itself: TestKitFindsFaults runs it in a process
// of its own, where it must fail.
func TestFaultyLoop(t *testing.T) {
	name := os.Getenv(faultVariable)
	if name == "" {
		return
	}
	bound = 2 * time.Second
	Run(t, func(*testing.T) adapters.Loop { return &loop{stdnet.New(), faults[name]} })
}

func TestKitFindsFaults(t *testing.T) {
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestFaultyLoop$/^tcp$/"+f.subtest, "-test.v")
			cmd.Env = append(os.Environ(), faultVariable+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestFaultyLoop/tcp/"+f.subtest) {
				t.Errorf("a loop that %s passes: %v\n%s", name, err, out)
			}
		})
	}
}

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

type wakesInPlace struct {
	adapters.Transport
	h adapters.Handler
}

func (t *wakesInPlace) Wake() { t.h.OnWake(time.Now()) }

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
		at = at.Add(-15 * time.Millisecond)
	}
	t.Transport.SetWakeup(at)
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
