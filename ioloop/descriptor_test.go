//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package ioloop_test

import (
	"errors"
	"math/bits"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/haypile/haypile/ioloop"
)

func nothing(int, ioloop.Events) {}

func TestDescriptorsThatAreNotOpenAreRefused(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		r, _ := pipe(t)
		tooLarge := int(r.Fd()) | 1<<(bits.UintSize/2) // the system may see its lower half, which is open
		for _, fd := range []int{-1, 900, 100_000, tooLarge} {
			for _, events := range []ioloop.Events{ioloop.Read, ioloop.Write, 0} {
				// EBADF each time: a refused descriptor does not count as handled.
				if err := l.AddHandler(fd, events, nothing); !errors.Is(err, unix.EBADF) || errors.Is(err, ioloop.ErrUnsupported) {
					t.Errorf("descriptor %d for %s: %v", fd, events, err)
				}
			}
		}
	})
}

// What is not waited for is not looked at, until it is.
func TestADescriptorThatWasClosedAtRestIsRefused(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		r, _ := pipe(t)
		fd := int(r.Fd())
		if err := l.AddHandler(fd, 0, nothing); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if err := l.UpdateHandler(fd, ioloop.Read); !errors.Is(err, unix.EBADF) {
			t.Errorf("UpdateHandler: %v", err)
		}
		if err := l.RemoveHandler(fd); err != nil {
			t.Errorf("RemoveHandler: %v", err)
		}
	})
}

// Poll and select wait for anything, and say that a file is always ready; kqueue
// says so while there is something left to read.
func TestFilesAreRefusedOrAlwaysReady(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		f, err := os.Open("descriptor_test.go")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		l := newLoop(t, opt)
		told := 0
		err = l.AddHandler(int(f.Fd()), ioloop.Read, func(fd int, _ ioloop.Events) {
			told++
			l.RemoveHandler(fd)
			l.Stop()
		})
		if strings.Contains(t.Name(), "epoll") {
			if !errors.Is(err, ioloop.ErrUnsupported) || !errors.Is(err, unix.EPERM) {
				t.Errorf("a regular file: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		run(t, l)
		if told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

func TestSelectRefusesDescriptorsAbove1023(t *testing.T) {
	l := newLoop(t, ioloop.WithPoller(ioloop.Select))
	r, _ := pipe(t)
	fd, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD_CLOEXEC, 1024)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := l.AddHandler(fd, ioloop.Read, nothing); !errors.Is(err, ioloop.ErrUnsupported) {
		t.Errorf("descriptor %d: %v", fd, err)
	}
}

// An owner who closes too early hurts nobody else, and is told at most once.
func TestADescriptorClosedByItsOwnerCostsOnlyItsHandler(t *testing.T) {
	everyPoller(t, func(t *testing.T, opt ioloop.Option) {
		l := newLoop(t, opt)
		closed, _ := pipe(t)
		alive, w := pipe(t)
		w.Write([]byte("x"))
		fd, errs, others := int(closed.Fd()), 0, 0
		err := l.AddHandler(fd, ioloop.Read, func(_ int, events ioloop.Events) {
			if errs++; events&ioloop.Error == 0 {
				t.Errorf("told %s", events)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.AddHandler(int(alive.Fd()), ioloop.Read, func(int, ioloop.Events) { others++ }); err != nil {
			t.Fatal(err)
		}
		passes := 0
		var pass func()
		pass = func() {
			if passes++; passes == 100 {
				l.Stop()
				return
			}
			l.AddCallback(pass)
		}
		l.AddCallback(func() { closed.Close(); pass() })
		run(t, l)
		most := 0 // epoll and kqueue forget what is closed
		if strings.HasSuffix(t.Name(), "/poll") || strings.HasSuffix(t.Name(), "/select") {
			most = 1
		}
		if errs != most || others < 10 { // callbacks alone fill some passes
			t.Errorf("told of the closed descriptor %d times, of the other %d times", errs, others)
		}
		l.RemoveHandler(fd)
		if err := l.RemoveHandler(fd); !errors.Is(err, ioloop.ErrNotHandled) {
			t.Errorf("the handler is still there: %v", err)
		}
	})
}
