package ioloop_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/ioloop"
)

var errBroken = errors.New("broken")

// ender is a handler that tells of the end.
type ender struct {
	opened func()
	ended  chan struct{}
}

func (e *ender) OnOpen(adapters.Transport, time.Time) { e.opened() }
func (e *ender) OnData([]byte, time.Time)             {}
func (e *ender) OnWake(time.Time)                     {}
func (e *ender) OnClose(error, time.Time)             { close(e.ended) }

// attach attaches a connection. opened runs on the loop.
func attach(t *testing.T, l *ioloop.Loop, opened func()) (ended <-chan struct{}) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	e := &ender{opened: opened, ended: make(chan struct{})}
	if err := l.Attach(conn, e); err != nil {
		t.Fatal(err)
	}
	return e.ended
}

func TestALoopWhosePollerFailedCanBeStartedAgain(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		for _, stop := range []bool{false, true} {
			mend := l.Break(errBroken)
			if stop { // that run, not the next one
				l.AddCallback(l.Stop)
			}
			if err := l.Start(); !errors.Is(err, errBroken) {
				t.Errorf("Start: %v", err)
			}
			mend()
			ran := false
			l.AddCallback(func() { ran = true; l.Stop() })
			run(t, l)
			if !ran {
				t.Error("nothing ran")
			}
		}
	})
}

func TestCloseAfterThePollerFailedTellsTransports(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		ended := attach(t, l, func() { l.Break(errBroken) })
		if err := l.Start(); !errors.Is(err, errBroken) {
			t.Errorf("Start: %v", err)
		}
		l.Close()
		wait(t, ended)
		wait(t, l.Done())
	})
}

// The loop counts as running when Close is called, and never waits again.
func TestCloseWhileThePollerFailsTellsTransports(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		ended := attach(t, l, func() {
			l.Break(errBroken)
			l.Close()
		})
		if err := l.Start(); !errors.Is(err, errBroken) {
			t.Errorf("Start: %v", err)
		}
		wait(t, ended)
		wait(t, l.Done())
	})
}
