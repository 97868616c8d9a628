package core

import (
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// role is which side of the dialogue a Conn speaks.
type role uint8

const (
	roleClient role = iota
	roleServer
)

// String is the side's name, as errors have it.
func (r role) String() string {
	if r == roleServer {
		return "server"
	}
	return "client"
}

// hears tells that the other side may send the method.
func (r role) hears(id wire.MethodID) bool {
	if r == roleServer {
		return id.FromClient()
	}
	return id.FromServer()
}

// State is where a connection stands.
type State uint8

const (
	StateIdle     State = iota // Start has not been called
	StateStarting              // a client awaits connection.start, a server the protocol header
	StateSecuring              // a server awaits the client's credentials, or the verdict on them
	StateTuning                // a client awaits secure or tune, a server tune-ok
	StateOpening               // a client awaits open-ok, a server open, or the verdict on it
	StateOpen                  // channels may be used
	StateClosing               // our connection.close is out, close-ok is awaited
	StateAborted               // ended by a call of ours; the next driver-side call runs OnClose
	StateClosed                // only output, if any, is left to be sent
)

var stateNames = [...]string{"idle", "starting", "securing", "tuning", "opening", "open", "closing", "aborted", "closed"}

// String is the state's lower-case name, as in the table of the package comment.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// awaits says what a handshake that ended in this state was waiting for.
func (c *Conn) awaits(s State) string {
	if c.role == roleServer {
		switch s {
		case StateStarting:
			return "the protocol header"
		case StateSecuring:
			return "authentication"
		case StateTuning:
			return "connection.tune-ok"
		case StateOpening:
			return "connection.open"
		}
		return ""
	}
	switch s {
	case StateStarting:
		return "connection.start"
	case StateTuning:
		return "connection.tune (authentication)"
	case StateOpening:
		return "connection.open-ok (virtual host)"
	}
	return ""
}

// transition is a row of the connection's state table: what the peer may send
// on channel 0 in a state, and the state that follows. Whatever has no row is a
// protocol error. The table does not know which role it is used in: who may send
// a method is a property of the method.
type transition struct {
	in   State
	on   wire.MethodID
	next State
}

var transitions = [...]transition{
	{StateStarting, wire.ConnectionStartID, StateTuning},
	{StateSecuring, wire.ConnectionStartOkID, StateSecuring},
	{StateSecuring, wire.ConnectionSecureOkID, StateSecuring},
	{StateSecuring, wire.ConnectionCloseID, StateClosed},
	{StateTuning, wire.ConnectionSecureID, StateTuning},
	{StateTuning, wire.ConnectionTuneID, StateOpening},
	{StateTuning, wire.ConnectionTuneOkID, StateOpening},
	{StateTuning, wire.ConnectionCloseID, StateClosed},
	{StateOpening, wire.ConnectionOpenID, StateOpening},
	{StateOpening, wire.ConnectionOpenOkID, StateOpen},
	{StateOpening, wire.ConnectionCloseID, StateClosed},
	{StateOpen, wire.ConnectionBlockedID, StateOpen},
	{StateOpen, wire.ConnectionUnblockedID, StateOpen},
	{StateOpen, wire.ConnectionUpdateSecretID, StateOpen},
	{StateOpen, wire.ConnectionUpdateSecretOkID, StateOpen},
	{StateOpen, wire.ConnectionCloseID, StateClosed},
	{StateClosing, wire.ConnectionCloseID, StateClosing},
	{StateClosing, wire.ConnectionCloseOkID, StateClosed},
}

// after looks the transition up. Methods on channel 0 are rare, so a scan of
// the rows is as good as an index.
func (s State) after(on wire.MethodID) (next State, ok bool) {
	for _, t := range transitions {
		if t.in == s && t.on == on {
			return t.next, true
		}
	}
	return s, false
}

// channelState is where a channel stands. Requests are pipelined behind
// channel.open, so a channel is usable from the first moment and opening is
// not a state of its own.
type channelState uint8

const (
	channelOpen    channelState = iota
	channelClosing              // our channel.close is out; all but close and close-ok is dropped
	channelExpired              // close-ok did not come in time: the number stays taken until it does
	channelClosed
)
