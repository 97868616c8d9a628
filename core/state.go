package core

import (
	"fmt"

	"github.com/haypile/haypile/core/wire"
)

// State is where a connection stands.
type State uint8

const (
	StateIdle     State = iota // Start has not been called
	StateStarting              // the protocol header is out, connection.start is awaited
	StateTuning                // start-ok is out, secure or tune is awaited
	StateOpening               // tune-ok and open are out, open-ok is awaited
	StateOpen                  // channels may be used
	StateClosing               // our connection.close is out, close-ok is awaited
	StateAborted               // ended by a call of ours; the next driver-side call runs OnClose
	StateClosed                // only output, if any, is left to be sent
)

var stateNames = [...]string{"idle", "starting", "tuning", "opening", "open", "closing", "aborted", "closed"}

// String is the state's lower-case name, as in the table of the package comment.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// awaits says what a handshake that ended in this state was waiting for.
func (s State) awaits() string {
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

// transition is a row of the connection's state table: what the broker may
// send on channel 0 in a state, and the state that follows. Whatever has no
// row is a protocol error.
type transition struct {
	in   State
	on   wire.MethodID
	next State
}

var transitions = [...]transition{
	{StateStarting, wire.ConnectionStartID, StateTuning},
	{StateTuning, wire.ConnectionSecureID, StateTuning},
	{StateTuning, wire.ConnectionTuneID, StateOpening},
	{StateTuning, wire.ConnectionCloseID, StateClosed},
	{StateOpening, wire.ConnectionOpenOkID, StateOpen},
	{StateOpening, wire.ConnectionCloseID, StateClosed},
	{StateOpen, wire.ConnectionBlockedID, StateOpen},
	{StateOpen, wire.ConnectionUnblockedID, StateOpen},
	{StateOpen, wire.ConnectionCloseID, StateClosed},
	{StateClosing, wire.ConnectionCloseID, StateClosing},
	{StateClosing, wire.ConnectionCloseOkID, StateClosed},
}

// after looks the transition up. Methods on channel 0 are rare, so a scan of
// eleven rows is as good as an index.
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
