package blocking

import (
	"fmt"
	"strings"
	"time"
)

// Event is something that happened to a connection: one of Lost, AttemptFailed,
// Recovered, RecoveryFailed, EntityFailed, QueueRenamed, ChannelReopened,
// ChannelFailed, Blocked, Unblocked, HandlerFailed, Ended.
type Event interface {
	// String is the event in a sentence without secrets, nor contents of messages.
	String() string
	event()
}

// Lost: the connection was lost and will be recovered.
type Lost struct{ Err error } // why

// AttemptFailed: an attempt to connect again has failed.
type AttemptFailed struct{ Attempt Attempt } // where, what it was at, and why

// Recovered: the connection is back, and all was made again that could be.
type Recovered struct{ After time.Duration } // since it was lost

// RecoveryFailed: the connection will not come back. It has ended with this error.
type RecoveryFailed struct{ Err error }

// Ended is the last event: the connection has ended for good.
type Ended struct{ Err error } // as Conn.Err: nil after an orderly Close

// EntityFailed: something could not be made again. For a consumer, its loop has
// ended with the error.
type EntityFailed struct {
	Entity Entity
	Err    error // the broker's *Error, as a rule
}

// QueueRenamed: a queue whose name the broker had chosen has another one since the
// recovery. The connection's own requests, bindings and consumers use the new
// one in the place of the old; what was told others, such as a reply-to, does not
// change by itself.
type QueueRenamed struct{ Old, New string }

// ChannelReopened: the broker closed the channel over an error, and it has been
// opened again, as Recovery.ReopenChannels has it, with all that could be made
// again.
type ChannelReopened struct {
	Channel *Channel
	Err     error // why the broker closed it
}

// ChannelFailed: the channel was closed over an error, while the connection lives.
// It stays closed.
type ChannelFailed struct {
	Channel *Channel
	Err     error // what Channel.Err tells
}

// Blocked: the broker has a resource alarm on, and publishes wait: until Unblocked,
// or until Lost.
type Blocked struct{ Reason string }

// Unblocked: publishes go on.
type Unblocked struct{}

// The events in sentences.

func (e Lost) String() string           { return sentence("connection lost", e.Err) }
func (e AttemptFailed) String() string  { return "attempt to connect failed: " + e.Attempt.String() }
func (e Recovered) String() string      { return "connection recovered after " + e.After.String() }
func (e RecoveryFailed) String() string { return sentence("connection was not recovered", e.Err) }
func (e Ended) String() string          { return sentence("connection ended", e.Err) }
func (e EntityFailed) String() string {
	return sentence(e.Entity.String()+" was not made again", e.Err)
}
func (e QueueRenamed) String() string    { return fmt.Sprintf("queue %q is now %q", e.Old, e.New) }
func (e ChannelReopened) String() string { return sentence("channel opened again", e.Err) }
func (e ChannelFailed) String() string   { return sentence("channel closed", e.Err) }
func (e Blocked) String() string         { return "publishing blocked by the broker: " + e.Reason }
func (Unblocked) String() string         { return "publishing unblocked" }

// sentence is what happened, and why.
func sentence(what string, err error) string {
	if err == nil {
		return what
	}
	return what + ": " + strings.TrimPrefix(err.Error(), "amqp: ")
}

func (Lost) event()            {}
func (AttemptFailed) event()   {}
func (Recovered) event()       {}
func (RecoveryFailed) event()  {}
func (EntityFailed) event()    {}
func (Ended) event()           {}
func (QueueRenamed) event()    {}
func (ChannelReopened) event() {}
func (ChannelFailed) event()   {}
func (Blocked) event()         {}
func (Unblocked) event()       {}

// WithEvents has f told what happens to the connection, in order, in the goroutine
// that also runs the callbacks of AddCallbackThreadsafe.
func WithEvents(f func(Event)) Option { return func(s *settings) { s.onEvent = f } }

// tell hands an event on. Nobody hears of one after the end.
func (c *Conn) tell(e Event) {
	if c.onEvent != nil || c.log != nil || len(c.hooks) > 0 {
		_ = c.dispatch.add(func() { c.heard(e) })
	}
}

func (c *Conn) heard(e Event) {
	if c.log != nil {
		c.log.event(e)
	}
	if c.onEvent != nil {
		c.onEvent(e)
	}
	for i := range c.hooks {
		if hook := c.hooks[i].Event; hook != nil {
			hook(c, e)
		}
	}
}

// tellOpen tells that the connection is open for the first time.
func (c *Conn) tellOpen() {
	if c.log == nil && len(c.hooks) == 0 {
		return
	}
	remote := c.RemoteAddr() // at once: another may be the latest by then
	_ = c.dispatch.add(func() {
		if c.told != nil {
			defer close(c.told)
		}
		c.log.opened(remote)
		for i := range c.hooks {
			if hook := c.hooks[i].Open; hook != nil {
				hook(c)
			}
		}
	})
}

// tellEnd tells of the end, which is the last that anybody hears.
func (c *Conn) tellEnd(err error, asked bool) {
	if c.onEvent == nil && c.log == nil && len(c.hooks) == 0 {
		return
	}
	_ = c.dispatch.add(func() {
		c.log.closed(err, asked)
		if c.onEvent != nil {
			c.onEvent(Ended{err})
		}
		for i := range c.hooks {
			if hook := c.hooks[i].Close; hook != nil {
				hook(c, err)
			}
		}
	})
}
