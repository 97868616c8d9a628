package adaptertest

import (
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
)

// bound is generous: a loop that works needs a small part of it. It is a
// variable for tests of loops that do not.
var bound = 30 * time.Second

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
// newLoop returns a loop that runs.
func Run(t *testing.T, newLoop func(t *testing.T) adapters.Loop, opts ...Option) {
	k := &kit{newLoop: newLoop, networks: []network{tcp, unix}}
	for _, opt := range opts {
		opt(k)
	}
	warmUp(t)
	for _, n := range k.networks {
		for _, test := range tests {
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
	name string
	run  func(t *trial)
}{
	{"OnOpen comes first and OnClose once and last", testLifetime},
	{"calls never run beside one another", testSerial},
	{"bytes arrive whole and in order both ways under back-pressure", testBytes},
	{"Write copies what it is given", testWriteCopies},
	{"Buffered falls and OnWake comes each time at LowWater", testLowWater},
	{"a peer that does not read holds up nothing but output", testStalledPeer},
	{"SetReading stops and resumes OnData", testSetReading},
	{"Wake is never lost and never runs on the caller's stack", testWakeStorm},
	{"Wake coalesces inside a call", testWakesInside},
	{"Wake before OnOpen returned and after the end is harmless", testWakeEdges},
	{"SetWakeup is never early and can be moved and disarmed", testSetWakeup},
	{"SetWakeup takes times that are far ahead", testFarWakeup},
	{"Close sends everything first", testCloseFlushes},
	{"Close sends everything although input is unread", testCloseWithUnreadInput},
	{"Close ends input that waits for its turn", testCloseAmidInput},
	{"Abort drops at once", testAbort},
	{"Abort frees a transport whose peer does not read", testAbortStalled},
	{"the peer's end is a clean end", testPeerClose},
	{"the end of the peer's side is the end", testHalfClose},
	{"the peer's last words are delivered", testLastWords},
	{"a reset is an error", testPeerReset},
	{"output that fails ends a transport that is not reading", testFailedOutput},
	{"Close, Abort and Write inside every call are allowed", testEndInsideCalls},
	{"a panic ends its transport alone", testPanic},
	{"a panic in OnClose is survived", testPanicInOnClose},
	{"a wakeup does not outlive its transport", testWakeupOutlived},
	{"Attach after Close is refused and closes the connection", testAttachAfterClose},
	{"Attach beside Close is served to its end or refused", testAttachBesideClose},
	{"Attach of a connection that is dead ends it", testAttachDead},
	{"Attach inside a call is allowed", testAttachInside},
	{"Close of the loop aborts every transport", testLoopClose},
	{"Attach of a connection without a descriptor of its own serves or refuses it", testNotPollable},
	{"the driver speaks TLS in both roles", testTLS},
	{"the driver runs connections that are no sockets", testBridge},
	{"the driver runs a million callbacks in order", testCallbacks},
	{"a dial that fails says why and touches nobody else", testFailedDials},
	{"a dial on a closed loop ends at once", testDialOnClosedLoop},
	{"a handler that wakes itself holds nobody up", testSelfWake},
	{"a thousand transports at once", testThousand},
	{"no descriptor left is survived", testExhausted},
}
