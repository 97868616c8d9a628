package broker

import (
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/haypile/haypile/core/wire"
)

// rule is what On or Next made.
type rule struct {
	method wire.MethodID
	fixed  Action                    // when decide is nil
	decide func(in *Incoming) Action // the user's
	left   atomic.Int64              // how often it may still act; negative for always
}

// ask has a rule decide. The user's function is on its own goroutine, since t.Fatal
// would end the loop's: nobody would be left to end the connection.
func (f *faults) ask(r *rule, in *Incoming) Action {
	if r.decide == nil {
		return r.fixed
	}
	decided := make(chan Action, 1)
	go func() {
		a := Cut()
		defer func() {
			if v := recover(); v != nil {
				f.report(fmt.Errorf("amqp: broker: a rule panicked at %s: %v\n%s", in.Method.ID(), v, debug.Stack()))
			}
			decided <- a
		}()
		a = r.decide(in)
		f.report(a.mistake())
	}()
	return <-decided
}

// report tells of a mistake in a rule; nil is none.
func (f *faults) report(err error) {
	if err != nil && f.misuse != nil { // a zero Broker's rules are never asked
		f.misuse(err)
	}
}

// mistake is why the rule can never act, or not as it should; nil if it can.
func (r *rule) mistake() error {
	switch {
	case r.method != 0 && !reachesRules(r.method):
		return fmt.Errorf("amqp: broker: a rule about %s never acts: clients do not send it, or no rule is asked about it", r.method)
	case r.fixed.forMessages() && r.method != 0 && r.method != wire.BasicPublishID:
		return fmt.Errorf("amqp: broker: a rule about %s never acts: Nack, Withhold and Return are for basic.publish", r.method)
	}
	return r.fixed.mistake()
}

// mistake is why the action cannot be done; nil if it can.
func (a *Action) mistake() error {
	if (a.do == deedCloseChannel || a.do == deedCloseConnection) && a.code == 0 {
		return fmt.Errorf("amqp: broker: a rule closes with the code 0, which is none: %q", a.text)
	}
	return nil
}

// reachesRules tells that a client's method of this kind is one that rules decide
// about. Core itself opens and closes channels.
func reachesRules(id wire.MethodID) bool {
	switch id {
	case wire.ConnectionOpenID:
		return true
	case wire.ChannelOpenID, wire.ChannelCloseID, wire.ChannelCloseOkID:
		return false
	}
	return id.FromClient() && id.Class() != wire.ClassConnection
}
