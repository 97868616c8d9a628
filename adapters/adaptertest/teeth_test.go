package adaptertest

import (
	"math"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/stdnet"
)

// faulty is a loop that breaks one promise, or does not keep what it declares,
// the subtest that must find it, and what that must say.
type faulty struct {
	declares  []Option
	subtest   string
	says      string
	waits     bool // the kit finds it by waiting for what never comes
	handler   func(h adapters.Handler) adapters.Handler
	transport func(t adapters.Transport, h adapters.Handler) adapters.Transport
	attach    func(l adapters.Loop, conn net.Conn, h adapters.Handler) error
}

var faults = map[string]faulty{
	"loses some wakes": {
		subtest:   "Wake_is_never_lost",
		says:      "OnWake after the last Wake",
		waits:     true,
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return &losesWakes{Transport: t} },
	},
	"wakes on the caller's stack": {
		subtest:   "Wake_is_never_lost",
		says:      "OnWake on the stack of a caller of Wake",
		transport: func(t adapters.Transport, h adapters.Handler) adapters.Transport { return &wakesInPlace{t, h} },
	},
	"takes a call that it is not its turn for": {
		subtest:   "WakeHere_is_never_lost",
		says:      "runs inside or beside another call",
		transport: func(t adapters.Transport, h adapters.Handler) adapters.Transport { return &wakesHereAnyway{t, h} },
	},
	"answers each Wake by itself": {
		subtest:   "Wake_coalesces",
		says:      "OnWake came 1000 times",
		handler:   func(h adapters.Handler) adapters.Handler { return &answersEach{Handler: h} },
		transport: func(t adapters.Transport, h adapters.Handler) adapters.Transport { return counts{t, h.(*answersEach)} },
	},
	"tells the end twice": {
		subtest: "OnOpen_comes_first",
		says:    "OnClose after OnClose",
		handler: func(h adapters.Handler) adapters.Handler { return &endsTwice{h} },
	},
	"keeps what Write lends": {
		subtest:   "Write_copies",
		says:      "or others than were written",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return &keepsLent{Transport: t} },
	},
	"is early": {
		subtest:   "SetWakeup_is_never_early",
		says:      "early",
		waits:     true,
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return early{t} },
	},
	"does not disarm": {
		subtest:   "SetWakeup_is_never_early",
		says:      "disarmed: OnWake came early",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return disarmsNot{t} },
	},
	"adds wakeups instead of moving one": {
		subtest:   "SetWakeup_is_never_early",
		says:      "moved away: OnWake came early",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return addsWakeups{t} },
	},
	"counts milliseconds by 32 bits": {
		subtest:   "SetWakeup_takes_times",
		says:      "a month ahead: OnWake came early",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return overflows{t} },
	},
	"drops output on Close": {
		subtest:   "Close_sends_everything_first",
		says:      "the peer got ",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return drops{t} },
	},
	"swaps bytes": {
		subtest: "bytes_arrive",
		says:    "lost, doubled or swapped",
		handler: func(h adapters.Handler) adapters.Handler { return &swaps{h} },
	},
	"swallows panics": {
		subtest: "a_panic_ends",
		says:    "no OnClose",
		waits:   true,
		handler: func(h adapters.Handler) adapters.Handler { return &swallows{h} },
	},
	"goes on reading": {
		subtest:   "SetReading",
		says:      "came while reading was off",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return reads{t} },
	},
	"hands on input after Close": {
		subtest:   "Close_ends_input",
		says:      "OnData after Close",
		handler:   func(h adapters.Handler) adapters.Handler { return &hearsOn{Handler: h} },
		transport: func(t adapters.Transport, h adapters.Handler) adapters.Transport { return closes{t, h.(*hearsOn)} },
	},
	"reads ahead without saying so": {
		subtest:   "SetReading",
		says:      "the transport has ended with <nil>",
		handler:   func(h adapters.Handler) adapters.Handler { return &readsAhead{Handler: h, most: 1 << 20} },
		transport: newAhead,
	},
	"stops reading and says it cannot": {
		declares: []Option{WithReadAhead(1 << 20)},
		subtest:  "SetReading",
		says:     "the peer is held up",
		waits:    true,
	},
	"keeps all that it reads ahead": {
		declares:  []Option{WithReadAhead(1 << 20)},
		subtest:   "SetReading",
		says:      "bytes were taken while reading was off",
		handler:   func(h adapters.Handler) adapters.Handler { return &readsAhead{Handler: h, most: math.MaxInt} },
		transport: newAhead,
	},
	"loses what it reads ahead": {
		declares:  []Option{WithReadAhead(1 << 20)},
		subtest:   "SetReading",
		says:      "all that the peer wrote",
		waits:     true,
		handler:   func(h adapters.Handler) adapters.Handler { return &readsAhead{Handler: h, most: 1 << 20, loses: true} },
		transport: newAhead,
	},
	"does not say that it read too far": {
		declares:  []Option{WithReadAhead(1 << 20)},
		subtest:   "SetReading",
		says:      "the transport that was to keep too much ended with <nil>",
		handler:   func(h adapters.Handler) adapters.Handler { return &readsAhead{Handler: h, most: 1 << 20} },
		transport: newAhead,
	},
	"reads ahead to the handler": {
		declares:  []Option{WithReadAhead(1 << 20)},
		subtest:   "SetReading",
		says:      "came while reading was off",
		transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport { return reads{t} },
	},
	"runs calls beside one another": {
		subtest:   "calls_never_run",
		says:      "runs inside or beside another call",
		transport: func(t adapters.Transport, h adapters.Handler) adapters.Transport { return &wakesBeside{t, h} },
	},
	"tells the end inside Close": {
		subtest:   "Close,_Abort",
		says:      "OnClose runs inside or beside another call",
		waits:     true,
		transport: func(t adapters.Transport, h adapters.Handler) adapters.Transport { return &nests{Transport: t, h: h} },
	},
	"tells old times": {
		subtest: "calls_never_run",
		says:    "OnWake is told",
		handler: func(h adapters.Handler) adapters.Handler { return &wakesInThePast{h} },
	},
	"forgets LowWater": {
		subtest: "Buffered_falls",
		says:    "OnWake at LowWater",
		waits:   true,
		handler: func(h adapters.Handler) adapters.Handler { return &onlyWakes{Handler: h} },
		transport: func(t adapters.Transport, h adapters.Handler) adapters.Transport {
			return &asksForWakes{t, h.(*onlyWakes)}
		},
	},
	"ignores the end of the peer's side": {
		subtest: "the_end_of_the_peer's_side",
		says:    "no OnClose",
		waits:   true,
		handler: func(h adapters.Handler) adapters.Handler { return &neverEnds{h} },
	},
	"leaves goroutines": {
		subtest: "the_peer's_end",
		says:    "goroutines, ",
		waits:   true,
		attach: func(l adapters.Loop, conn net.Conn, h adapters.Handler) error {
			go func() { select {} }()
			return l.Attach(conn, h)
		},
	},
	"breaks down when OnClose panics": {
		subtest: "a_panic_in_OnClose",
		says:    "no echo",
		attach: func(l adapters.Loop, conn net.Conn, h adapters.Handler) error {
			return l.Attach(conn, breaksDown{h, l})
		},
	},
	"keeps the timer after the end": {
		subtest:   "a_wakeup_does_not_outlive",
		says:      "OnWake after OnClose",
		transport: func(t adapters.Transport, h adapters.Handler) adapters.Transport { return outlives{t, h} },
	},
	"forgets whom it refuses": {
		subtest: "Attach_beside_Close",
		says:    "a transport had no OnClose",
		attach: func(l adapters.Loop, conn net.Conn, h adapters.Handler) error {
			_ = l.Attach(conn, h)
			return nil
		},
	},
	"attaches after Close": {
		subtest: "Attach_after_Close",
		says:    "Attach returned <nil>",
		attach: func(l adapters.Loop, conn net.Conn, h adapters.Handler) error {
			if err := l.Attach(conn, h); err != nil {
				go h.OnClose(err, time.Now())
			}
			return nil
		},
	},
}

// TestKitAllowsSpuriousWakes: a loop may call OnWake for nothing now and then.
func TestKitAllowsSpuriousWakes(t *testing.T) {
	fault := faulty{transport: func(t adapters.Transport, _ adapters.Handler) adapters.Transport {
		return &wakesForNothing{Transport: t}
	}}
	k := &kit{newLoop: func(*testing.T) adapters.Loop { return &loop{stdnet.New(), fault} }}
	testSetWakeup(&trial{T: t, loop: k.start(t), network: tcp, kit: k})
}

const (
	faultVariable = "ADAPTERTEST_FAULT"
	noneLeft      = "the kit has left no descriptor"
)

// TestFaultyLoop does nothing by itself: TestKitFindsFaults runs it in a process
// of its own, where it must fail.
func TestFaultyLoop(t *testing.T) {
	name := os.Getenv(faultVariable)
	if name == "" {
		return
	}
	fault := faults[name]
	if fault.waits {
		bound = 5 * time.Second
	}
	Run(t, func(*testing.T) adapters.Loop { return &loop{stdnet.New(), fault} }, fault.declares...)
	for range 100 { // more than the kit leaves room for while there is to be none
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatalf("%s: %v", noneLeft, err)
		}
		defer f.Close()
	}
}

// TestKitTriesAllOnTCP: only other networks lack what a test needs.
func TestKitTriesAllOnTCP(t *testing.T) {
	for _, test := range tests {
		if test.needs != nil && !test.needs(&tcp) && (exhaustible || test.name != "no descriptor left is survived") {
			t.Errorf("not tried: %s", test.name)
		}
	}
}

func TestKitFindsFaults(t *testing.T) {
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for what never comes
			cmd := exec.Command(os.Args[0], "-test.run", "^TestFaultyLoop$/^tcp$/"+f.subtest, "-test.v")
			cmd.Env = append(os.Environ(), faultVariable+"="+name, "GORACE=atexit_sleep_ms=0") // or each lingers for a second
			out, err := cmd.CombinedOutput()
			failure := "--- FAIL: TestFaultyLoop/tcp/" + f.subtest
			if err == nil || !strings.Contains(string(out), failure) || !strings.Contains(string(out), f.says) {
				t.Errorf("a loop that %s is not found: %v\n%s", name, err, out)
			}
			if strings.Contains(string(out), noneLeft) {
				t.Errorf("a loop that %s has the kit change the process:\n%s", name, out)
			}
		})
	}
}
