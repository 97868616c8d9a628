// Package adaptertest proves that a loop keeps the contract of package adapters.
// Authors of loops run it in a test of theirs:
//
//	func TestLoop(t *testing.T) {
//		adaptertest.Run(t, func(t *testing.T) adapters.Loop { return myloop.New() })
//	}
//
// Each subtest is named after what the contract promises. The peer of every
// transport is a plain connection that the kit reads and writes itself.
package adaptertest
