// Package adaptertest tests loops, and what runs on them.
//
// Run proves that a loop keeps the contract of package adapters. Authors of loops
// run it in a test of theirs:
//
//	func TestLoop(t *testing.T) {
//		adaptertest.Run(t, func(t *testing.T) adapters.Loop { return myloop.New() })
//	}
//
// Each subtest is named after what the contract promises. The peer of every
// transport is a plain connection that the kit reads and writes itself.
//
// Sim is a loop in virtual time, for tests of programs: with a network in memory
// that is slow, splits, stalls and breaks as told, inside a bubble of
// testing/synctest:
//
//	synctest.Test(t, func(t *testing.T) {
//		sim := adaptertest.NewSim(adaptertest.SimConfig{Latency: 20 * time.Millisecond})
//		listener, _ := sim.Listen("rabbit:5672")      // for driver.Serve(sim, listener, …)
//		params.DialContext = sim.DialContext          // for driver.Dial(ctx, sim, params, …)
//		…
//		sim.Conns()[0].Peer().Stall()                 // the broker falls silent
//	})
package adaptertest
