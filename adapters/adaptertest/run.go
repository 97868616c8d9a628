package adaptertest

import (
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
)

// bound is generous: a loop that works needs a small part of it. It is a
// variable for tests of loops that do not.
var bound = time.Minute

// Option changes what Run does.
type Option func(*kit)

// WithPipes tries the loop on net.Pipe, too: connections without a file
// descriptor, for loops that take them.
func WithPipes() Option {
	return func(k *kit) { k.networks = append(k.networks, pipe) }
}

// WithDescriptorsBelow declares that the loop cannot serve file descriptors from
// limit on, as select(2) cannot. The kit then asserts that a connection with a
// higher one ends with an error, at once and alone.
func WithDescriptorsBelow(limit int) Option { return func(k *kit) { k.descriptors = limit } }

// WithReadAhead declares that the loop cannot stop reading: SetReading(false)
// keeps what comes from the handler, but not from coming. The kit then asserts
// that nothing is lost of a little, and that a transport which gets more than
// limit bytes ends with an error that says so, instead of keeping them.
func WithReadAhead(limit int) Option { return func(k *kit) { k.readAhead = limit } }

// kit is a run.
type kit struct {
	newLoop     func(t *testing.T) adapters.Loop
	networks    []network
	descriptors int // the limit of them, 0 for none
	readAhead   int // how much may come while reading is off, 0 if it can be off
}

// Run tries the loops that newLoop makes, one for each subtest, on TCP and UNIX
// sockets. Each is closed at the end of its subtest, which fails if a goroutine
// or a file descriptor of it is left; so do not run it beside parallel tests.
// What a network cannot show is not tried on it. newLoop returns a loop that runs.
func Run(t *testing.T, newLoop func(t *testing.T) adapters.Loop, opts ...Option) {
	k := &kit{newLoop: newLoop, networks: []network{tcp, unix}}
	for _, opt := range opts {
		opt(k)
	}
	warmUp(t)
	for _, n := range k.networks {
		for _, test := range tests {
			if test.needs != nil && !test.needs(&n) {
				continue
			}
			t.Run(n.name+"/"+test.name, func(t *testing.T) {
				n.try(t, func(t *testing.T) { test.run(&trial{T: t, loop: k.start(t), network: n, kit: k}) })
			})
		}
	}
}

// start makes a loop that is closed and checked when the test ends.
func (k *kit) start(t *testing.T) adapters.Loop {
	before := inUse()
	loop := k.newLoop(t)
	t.Cleanup(func() {
		loop.Close()
		select {
		case <-loop.Done():
			before.checkFreed(t)
		case <-time.After(bound):
			t.Errorf("the loop is not done after Close:\n%s", indent(stacks()))
		}
	})
	return loop
}

// tests are the contract, in the order of its text.
var tests = []struct {
	name  string
	run   func(t *trial)
	needs need
}{
	{"OnOpen comes first and OnClose once and last", testLifetime, nil},
	{"calls never run beside one another", testSerial, nil},
	{"bytes arrive whole and in order both ways under back-pressure", testBytes, nil},
	{"pieces of all sizes keep their order when many calls write", testMixedPieces, nil},
	{"Write copies what it is given", testWriteCopies, nil},
	{"Buffered falls and OnWake comes each time at LowWater", testLowWater, nil},
	{"a peer that does not read holds up nothing but output", testStalledPeer, nil},
	{"SetReading stops and resumes OnData", testSetReading, nil},
	{"Wake is never lost and never runs on the caller's stack", testWakeStorm, nil},
	{"WakeHere is never lost and calls one at a time", testWakeHere, nil},
	{"Wake coalesces inside a call", testWakesInside, nil},
	{"Wake before OnOpen returned and after the end is harmless", testWakeEdges, nil},
	{"SetWakeup is never early and can be moved and disarmed", testSetWakeup, nil},
	{"SetWakeup takes times that are far ahead", testFarWakeup, nil},
	{"Close sends everything first", testCloseFlushes, nil},
	{"Close sends everything although input is unread", testCloseWithUnreadInput, (*network).canHold},
	{"Close ends input that waits for its turn", testCloseAmidInput, nil},
	{"Abort drops at once", testAbort, nil},
	{"Abort frees a transport whose peer does not read", testAbortStalled, nil},
	{"the peer's end is a clean end", testPeerClose, nil},
	{"the end of the peer's side is the end", testHalfClose, (*network).canHalve},
	{"the peer's last words are delivered", testLastWords, nil},
	{"a reset is an error", testPeerReset, (*network).canReset},
	{"output that fails ends a transport that is not reading", testFailedOutput, nil},
	{"Close, Abort and Write inside every call are allowed", testEndInsideCalls, nil},
	{"a panic ends its transport alone", testPanic, nil},
	{"a panic in OnClose is survived", testPanicInOnClose, nil},
	{"a wakeup does not outlive its transport", testWakeupOutlived, nil},
	{"Attach after Close is refused and closes the connection", testAttachAfterClose, nil},
	{"Attach beside Close is served to its end or refused", testAttachBesideClose, nil},
	{"Attach of a connection that is dead ends it", testAttachDead, nil},
	{"Attach inside a call is allowed", testAttachInside, nil},
	{"Close of the loop aborts every transport", testLoopClose, nil},
	{"Attach of a connection without a descriptor of its own serves or refuses it", testNotPollable, nil},
	{"the driver speaks TLS in both roles", testTLS, (*network).hasNames},
	{"the driver runs connections that are no sockets", testBridge, (*network).canBridge},
	{"the driver runs a million callbacks in order", testCallbacks, (*network).hasNames},
	{"a dial that fails says why and touches nobody else", testFailedDials, (*network).isTCP},
	{"a dial on a closed loop ends at once", testDialOnClosedLoop, (*network).isTCP},
	{"a handler that wakes itself holds nobody up", testSelfWake, nil},
	{"a thousand transports at once", testThousand, (*network).canCrowd},
	{"no descriptor left is survived", testExhausted, (*network).canExhaust},
}
