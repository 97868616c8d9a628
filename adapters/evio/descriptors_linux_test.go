package evio_test

import (
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/internal/looptest"
)

func TestEvioReadsByDefault(t *testing.T) {
	if !evio.Grafts(running(t, evio.WithErrorHandler(func(err error) { t.Error(err) }))) {
		t.Error("the default relays")
	}
	if evio.Grafts(running(t, evio.WithRelay())) {
		t.Error("WithRelay grafts")
	}
}

// open is the numbers of the open descriptors.
func open(t *testing.T) (numbers []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err == nil { // not ReadDir's own
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// Descriptor 0 is free in programs that were started without an input. evio
// never reads from one of that number.
func TestDescriptorZeroIsNotUsed(t *testing.T) {
	for name, opts := range modes {
		t.Run(name, func(t *testing.T) {
			l := start(t, opts...)
			defer end(t, l)
			held, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(0)
			defer func() {
				unix.Dup2(held, 0)
				unix.Close(held)
			}()
			echoes(t, looptest.Attach(t, l, echo()), "free for the connection")
			l = start(t, opts...)
			defer end(t, l)
			echoes(t, looptest.Attach(t, l, echo()), "free for the loop")
		})
	}
}

// evio closes its listener twice, and the second time hits what has got the
// number meanwhile.
func TestListenersAreOutOfTheWayOfOthers(t *testing.T) {
	before := open(t)
	running(t, evio.WithEventLoops(2))
	for _, n := range open(t) {
		if listens, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && listens != 0 && n < before[len(before)-1]+100 {
			t.Errorf("descriptor %d listens", n)
		}
	}
}

// leave takes all descriptors but some.
func leave(t *testing.T, free int) (release func()) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	highest := 0
	for _, n := range open(t) {
		highest = max(highest, n)
	}
	few := before
	few.Cur = uint64(highest) + 32
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: few.Cur, Max: few.Max}); err != nil {
		t.Fatal(err)
	}
	var held []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		held = append(held, f)
	}
	for range free {
		held[len(held)-1].Close()
		held = held[:len(held)-1]
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: before.Cur, Max: before.Max}); err != nil {
			t.Error(err)
		}
		for _, f := range held {
			f.Close()
		}
	}
}

// evio waits for ever, or ends, when it gets no descriptor.
func TestNewWithFewDescriptorsWorksOrFails(t *testing.T) {
	end(t, start(t)) // what is opened once
	before := len(open(t))
	failed, worked := 0, 0
	for free := range 14 {
		release := leave(t, free)
		l, err := evio.New()
		release()
		if err != nil {
			failed++
			if !strings.HasPrefix(err.Error(), "amqp: ") {
				t.Errorf("with %d descriptors: %v", free, err)
			}
		} else {
			worked++
			end(t, l)
		}
		if after := len(open(t)); after > before {
			t.Errorf("with %d descriptors, %d are open afterwards, %d before", free, after, before)
		}
	}
	if failed == 0 || worked == 0 {
		t.Errorf("%d failed, %d worked", failed, worked)
	}
}

func TestAttachWithFewDescriptorsHarmsNobody(t *testing.T) {
	for name, opts := range modes {
		t.Run(name, func(t *testing.T) {
			l := running(t, opts...)
			other := looptest.Attach(t, l, echo())
			for free := range 4 {
				var ours, peers []net.Conn
				for range 6 {
					o, p := looptest.Pair(t)
					ours, peers = append(ours, o), append(peers, p)
				}
				release := leave(t, free)
				for i, conn := range ours {
					if h := echo(); looptest.Try(l, h, conn) == nil {
						echoes(t, peers[i], "works")
					}
				}
				echoes(t, other, "lives")
				release()
			}
		})
	}
}

func TestChildrenInheritNothing(t *testing.T) {
	before := map[int]bool{}
	for _, n := range open(t) {
		before[n] = true
	}
	l := running(t)
	looptest.Attach(t, l, echo())
	for _, n := range open(t) {
		if before[n] {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			name, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(n))
			t.Errorf("a child gets descriptor %d, %s", n, name)
		}
	}
}

// evio ends when its poller fails.
func TestAServerThatEndsEndsTheLoop(t *testing.T) {
	told := make(chan error, 1)
	l := start(t, evio.WithErrorHandler(func(err error) { told <- err }))
	reading, paused := echo(), echo()
	looptest.Attach(t, l, reading)
	looptest.Attach(t, l, paused)
	resting := make(chan struct{}, 1)
	paused.Wake = func() {
		paused.T.SetReading(false)
		resting <- struct{}{}
	}
	paused.T.Wake()
	<-resting
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := unix.Dup2(int(null.Fd()), evio.Poller(l)); err != nil {
		t.Fatal(err)
	}
	<-reading.Ended
	<-paused.Ended
	if err := <-told; !strings.HasPrefix(err.Error(), "amqp: evio: ") {
		t.Errorf("told %v", err)
	}
	end(t, l)
	ours, _ := looptest.Pair(t)
	if err := l.Attach(ours, echo()); !errors.Is(err, adapters.ErrClosed) {
		t.Errorf("attach: %v", err)
	}
}
