package ioloop

import (
	"fmt"
	"time"
)

// Events are conditions of a file descriptor.
type Events uint8

// The conditions. Read and Write can be asked for; Error is always reported.
const (
	Read  Events = 1 << iota // reading will not block: data, or the end
	Write                    // writing will not block
	Error                    // the peer is gone or the descriptor has failed
)

// String is the names, joined by "|".
func (e Events) String() string {
	s := ""
	for i, name := range []string{"read", "write", "error"} {
		if e&(1<<i) != 0 {
			if s != "" {
				s += "|"
			}
			s += name
		}
	}
	if s == "" {
		return "none"
	}
	return s
}

// Poller is how a loop waits for file descriptors.
type Poller uint8

// The pollers. Pollers tells which of them there are.
const (
	EpollParked Poller = iota + 1 // Linux: epoll, waited for by Go's network poller
	Epoll                         // Linux: epoll, in a blocking system call
	Kqueue                        // macOS and the BSDs
	Poll                          // poll(2): every wait costs in proportion to the descriptors
	Select                        // select(2): as Poll, and only descriptors below 1024
)

var pollerNames = map[Poller]string{EpollParked: "epoll-parked", Epoll: "epoll", Kqueue: "kqueue", Poll: "poll", Select: "select"}

// String is the poller's name.
func (p Poller) String() string {
	if name := pollerNames[p]; name != "" {
		return name
	}
	return fmt.Sprintf("poller(%d)", uint8(p))
}

// event is what a poller saw: of the registration with the generation, which
// may have ended meanwhile.
type event struct {
	fd     int
	gen    uint32
	events Events
	gone   bool // the descriptor is not open any more, and would be seen by every wait
}

// poller waits for events. All but wake is called by the loop's goroutine, or
// while there is none.
type poller interface {
	// set makes events the interest in fd. With 0 nothing is reported, errors
	// neither. was is the interest so far, and not events. A descriptor whose
	// interest was 0 is open.
	set(fd int, gen uint32, was, events Events) error
	// wait waits until there are events, the time has come (never before; zero:
	// no time), or awake tells so after wake was called. It appends to dst.
	wait(dst []event, until time.Time, awake func() bool) ([]event, error)
	// wake ends a wait that is under way, or the next one. Any goroutine.
	wake()
	close() error
}

// millis is the time until then for a system call that counts milliseconds,
// rounded up, so that it does not end early; -1 for no time.
func millis(until time.Time) int {
	if until.IsZero() {
		return -1
	}
	d := time.Until(until)
	if d <= 0 {
		return 0
	}
	const most = 24 * time.Hour // the call is made again after that
	return int((min(d, most) + time.Millisecond - 1) / time.Millisecond)
}
