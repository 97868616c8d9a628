package blocking

import (
	"time"

	"github.com/haypile/haypile/adapters/driver"
)

// Event is something that happened to a connection: one of Lost, AttemptFailed,
// Recovered, RecoveryFailed, EntityFailed, QueueRenamed, Blocked, Unblocked,
// HandlerFailed.
type Event interface{ event() }

// Lost: the connection was lost and will be recovered.
type Lost struct{ Err error } // why

// AttemptFailed: an attempt to connect again has failed.
type AttemptFailed struct{ Attempt driver.Attempt } // where, what it was at, and why

// Recovered: the connection is back, and all was made again that could be.
type Recovered struct{ After time.Duration } // since it was lost

// RecoveryFailed: the connection will not come back. It has ended with this error.
type RecoveryFailed struct{ Err error }

// EntityFailed: something could not be made again. For a consumer, its loop has
// ended with the error.
type EntityFailed struct {
	Entity Entity
	Err    error // the broker's *Error
}

// QueueRenamed: a queue whose name the broker had chosen has another one since the
// recovery. The connection's own requests, bindings and consumers use the new
// one in the place of the old; what was told others, such as a reply-to, does not
// change by itself.
type QueueRenamed struct{ Old, New string }

// Blocked: the broker has a resource alarm on, and publishes wait.
type Blocked struct{ Reason string }

// Unblocked: publishes go on.
type Unblocked struct{}

func (Lost) event()           {}
func (AttemptFailed) event()  {}
func (Recovered) event()      {}
func (RecoveryFailed) event() {}
func (EntityFailed) event()   {}
func (QueueRenamed) event()   {}
func (Blocked) event()        {}
func (Unblocked) event()      {}

// WithEvents has f told what happens to the connection, in order, in the goroutine
// that also runs the callbacks of AddCallbackThreadsafe.
func WithEvents(f func(Event)) Option { return func(s *settings) { s.onEvent = f } }

// tell hands an event on. Nobody hears of one after the end.
func (c *Conn) tell(e Event) {
	if c.onEvent != nil {
		_ = c.dispatch.add(func() { c.onEvent(e) })
	}
}
