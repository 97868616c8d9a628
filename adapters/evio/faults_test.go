//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/internal/looptest"
)

const bound = 2 * time.Minute

func echo() *looptest.Handler {
	h := &looptest.Handler{}
	h.Data = func(p []byte) { h.T.Write([][]byte{p}) }
	return h
}

// echoes fails the test unless what is sent comes back.
func echoes(t *testing.T, peer net.Conn, message string) {
	t.Helper()
	peer.SetDeadline(time.Now().Add(bound))
	io.WriteString(peer, message)
	back := make([]byte, len(message))
	if _, err := io.ReadFull(peer, back); err != nil || string(back) != message {
		t.Errorf("sent %q, got %q, %v", message, back, err)
	}
}

// running is a loop that is closed when the test ends.
func running(t *testing.T, opts ...evio.Option) *evio.Loop {
	t.Helper()
	l := start(t, opts...)
	t.Cleanup(func() { end(t, l) })
	return l
}

func end(t *testing.T, l *evio.Loop) {
	t.Helper()
	l.Close()
	select {
	case <-l.Done():
	case <-time.After(bound):
		t.Fatal("the loop does not end")
	}
}

// modes are the ways in which a loop can work.
var modes = map[string][]evio.Option{"grafted": nil, "relayed": {evio.WithRelay()}}

func TestAnEvioOfOtherFieldsRelaysAndSaysSo(t *testing.T) {
	var told []error
	l := running(t, evio.WithOtherFields(), evio.WithErrorHandler(func(err error) { told = append(told, err) }))
	if len(told) != 1 || !errors.Is(told[0], evio.ErrNotGrafted) {
		t.Errorf("told %v", told)
	}
	echoes(t, looptest.Attach(t, l, echo()), "relayed")
}

// evio waits for a signal that its loop gives at its end. It is lost when nobody
// waits yet, and the server stays for ever.
func TestLoopsThatAreClosedAtOnceEnd(t *testing.T) {
	for name, opts := range modes {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 50 {
						l, err := evio.New(opts...)
						if err != nil {
							t.Error(err)
							return
						}
						l.Close()
						select {
						case <-l.Done():
						case <-time.After(bound):
							t.Error("the loop does not end")
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestWakesOfEndedTransportsReachNobody(t *testing.T) {
	looptest.WakesAfterTheEnd(t, func() adapters.Loop {
		return start(t, evio.WithErrorHandler(func(err error) { t.Error(err) }))
	})
}

// Connections that come and go get each other's numbers, and events that were
// meant for the one before.
func TestConnectionsOfTheSameNumberAreNeverMistaken(t *testing.T) {
	for name, opts := range modes {
		t.Run(name, func(t *testing.T) {
			l := running(t, append(slices.Clone(opts), evio.WithEventLoops(2))...)
			var wg sync.WaitGroup
			for caller := range 6 {
				wg.Go(func() {
					for i := range 60 {
						comeAndGo(t, l, fmt.Sprintf("%d of %d", i, caller), i%4)
					}
				})
			}
			wg.Wait()
		})
	}
}

// comeAndGo ends a connection in one of four ways.
func comeAndGo(t *testing.T, l adapters.Loop, message string, way int) {
	h := echo()
	ours, peer := looptest.Pair(t)
	defer peer.Close()
	if err := looptest.Try(l, h, ours); err != nil {
		t.Error(err)
		return
	}
	echoes(t, peer, message)
	switch way {
	case 0:
		peer.Close()
	case 1:
		peer.(*net.TCPConn).CloseWrite()
	default:
		// Input is there, or about to be, when the transport ends.
		h.Wake = h.T.Abort
		if way == 3 {
			h.Wake = func() {
				h.T.SetReading(false)
				h.T.Close()
			}
		}
		go io.WriteString(peer, message)
		h.T.Wake()
	}
	if way == 3 {
		go io.Copy(io.Discard, peer) // then the peer ends, too
		peer.(*net.TCPConn).CloseWrite()
	}
	select {
	case err := <-h.Ended:
		if err != nil {
			t.Errorf("ended by way %d with %v", way, err)
		}
	case <-time.After(bound):
		t.Error("no OnClose")
	}
}

// At its end evio closes what it has in its books.
func TestTheEndOfALoopClosesNothingOfOthers(t *testing.T) {
	for name, opts := range modes {
		t.Run(name, func(t *testing.T) {
			l := start(t, opts...)
			for range 4 {
				h := echo()
				peer := looptest.Attach(t, l, h)
				echoes(t, peer, "once")
				h.Wake = h.T.Abort
				h.T.Wake()
				<-h.Ended
				peer.Close()
			}
			var others []*os.File // which get the numbers
			for range 16 {
				f, err := os.Open(os.DevNull)
				if err != nil {
					t.Fatal(err)
				}
				others = append(others, f)
			}
			end(t, l)
			for _, f := range others {
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// evio cuts the name of its socket at a question mark, and removes what has the
// name that is left, a directory with all that is in it.
func TestADirectoryWithAQuestionMarkIsNotUsed(t *testing.T) {
	root := t.TempDir()
	kept := filepath.Join(root, "data", "kept")
	temp := filepath.Join(root, "data?x")
	for _, dir := range []string{filepath.Dir(kept), temp} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	if l, err := evio.New(); err == nil {
		t.Error("New succeeded")
		end(t, l)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

func TestNothingIsLeftInTheTemporaryDirectory(t *testing.T) {
	temp, err := os.MkdirTemp("", "") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	t.Setenv("TMPDIR", temp)
	l := start(t)
	look := func(when string) {
		if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
			t.Errorf("%s: %v, %v", when, left, err)
		}
	}
	look("while the loop runs")
	end(t, l)
	look("after its end")
}
