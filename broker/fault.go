package broker

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Incoming is a method that a client has sent, as a rule of On sees it. It is valid
// until the rule returns.
type Incoming struct {
	Connection   string // its name, as in ConnectionState
	ProvidedName string // connection_name of the client properties
	User         string
	VirtualHost  string // empty for connection.open
	Channel      uint16
	// Method is what was sent. Of a *wire.BasicPublish, Message is the rest.
	Method wire.Method
	// Message is nil but for basic.publish. Its Seq is zero without confirms.
	Message *core.Published
}

// Action is what becomes of a method. The zero Action is Pass.
type Action struct {
	do    deed
	code  wire.Code
	text  string
	reply wire.Method
	after time.Duration
}

// deed is a kind of action.
type deed uint8

const (
	deedPass deed = iota
	deedReply
	deedDrop
	deedCloseChannel
	deedCloseConnection
	deedCut
	deedNack
	deedWithhold
	deedReturn
)

// Pass has the broker act on the method as if there were no rule.
func Pass() Action { return Action{} }

// Reply answers for the broker, whose state does not change: with a method without
// content, such as the reply that the request is owed, or none at all for nil. One
// that cannot be sent there fails the test of RunT, and else is logged.
func Reply(m wire.Method) Action { return Action{do: deedReply, reply: m} }

// Drop ignores the method: a request is never answered, a message never confirmed.
func Drop() Action { return Action{do: deedDrop} }

// CloseChannel closes the channel, with this code and text, because of the method;
// the connection for codes that close one by the specification (wire.Code.Hard). Zero
// is no code: it is a mistake, which On reports.
func CloseChannel(code wire.Code, text string) Action {
	return Action{do: deedCloseChannel, code: code, text: clip(text)}
}

// CloseConnection closes the connection, with this code and text, because of the
// method. Zero is no code.
func CloseConnection(code wire.Code, text string) Action {
	return Action{do: deedCloseConnection, code: code, text: clip(text)}
}

// Cut drops the connection without a word, as if the network had failed.
func Cut() Action { return Action{do: deedCut} }

// Delay passes the method on when so much time has passed by the broker's clock,
// which Advance moves. What comes behind it on the channel waits, too, and is lost
// if the channel ends first.
func Delay(d time.Duration) Action { return Action{after: d} }

// Nack refuses a message: no queue gets it, and it is nacked if the channel has
// confirms. Methods other than basic.publish pass.
func Nack() Action { return Action{do: deedNack} }

// Withhold takes a message and never confirms it. Methods other than basic.publish
// pass.
func Withhold() Action { return Action{do: deedWithhold} }

// Return gives a message back with 312 (NO_ROUTE), as if no queue were bound, and
// confirms it if the channel has confirms. It does so whether or not the message is
// mandatory. Methods other than basic.publish pass.
func Return() Action { return Action{do: deedReturn} }

// forMessages tells that the action makes sense for basic.publish alone.
func (a *Action) forMessages() bool { return a.do >= deedNack }

// faults are the rules of a broker.
type faults struct {
	misuse func(err error) // is told of rules that are wrong

	active atomic.Int32 // rules, so that a broker without any pays nothing
	turn   sync.Mutex   // held while rules are asked: one at a time

	mu    sync.Mutex
	rules []*rule
}

// On has fn decide what becomes of each method of a kind that clients send on open
// channels, and of connection.open. Zero stands for every kind. Of several rules,
// the first one made that does not Pass decides. The func that On returns takes the
// rule back; what has been delayed still comes. A nil fn passes everything. A rule
// that can never act, or acts in a way that cannot be, fails the test of RunT, and
// else is logged.
//
// fn is called on a goroutine of its own, which the connection waits for, one call
// at a time for the whole broker. It must not wait, for clients least of all; of the
// methods of Broker it may call those that do not. An fn that panics, or ends its
// goroutine as t.Fatal does, has the connection cut; a panic also fails the test of
// RunT with the value and the stack, and else is logged. Rules outlast Restart and
// Stop.
//
//	remove := b.On(wire.QueueDeclareID, func(in *broker.Incoming) broker.Action {
//		if in.Method.(*wire.QueueDeclare).Queue == "forbidden" {
//			return broker.CloseChannel(wire.AccessRefused, "ACCESS_REFUSED - not for you")
//		}
//		return broker.Pass()
//	})
//	defer remove()
func (b *Broker) On(method wire.MethodID, fn func(in *Incoming) Action) (remove func()) {
	if fn == nil {
		return func() {}
	}
	return b.addRule(-1, &rule{method: method, decide: fn})
}

// Next does something about the next n methods of a kind, whoever sends them, and
// then nothing any more. It is On for what needs no decision, and reports mistakes as
// On does.
func (b *Broker) Next(n int, method wire.MethodID, a Action) (remove func()) {
	return b.addRule(int64(max(n, 0)), &rule{method: method, fixed: a})
}

func (b *Broker) addRule(n int64, r *rule) (remove func()) {
	f := &b.faults
	f.report(r.mistake())
	r.left.Store(n)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(slices.Clip(f.rules), r)
	f.active.Store(int32(len(f.rules)))
	return func() { f.remove(r) }
}

func (f *faults) remove(r *rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = slices.DeleteFunc(slices.Clone(f.rules), func(o *rule) bool { return o == r })
	f.active.Store(int32(len(f.rules)))
}

// decide asks the rules.
func (f *faults) decide(in *Incoming) Action {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.mu.Lock()
	rules := f.rules // never changed in place
	f.mu.Unlock()
	id := in.Method.ID()
	for _, r := range rules {
		if r.method != 0 && r.method != id || r.left.Load() == 0 {
			continue
		}
		a := f.ask(r, in)
		if a == (Action{}) || a.forMessages() && in.Message == nil {
			continue
		}
		if r.left.Load() > 0 && r.left.Add(-1) == 0 {
			f.remove(r)
		}
		return a
	}
	return Action{}
}
