package adaptertest_test

import (
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/stdnet"
)

// The test that the author of a loop writes; stdnet stands for the loop.
func ExampleRun() {
	TestLoop := func(t *testing.T) {
		adaptertest.Run(t, func(*testing.T) adapters.Loop { return stdnet.New() }, adaptertest.WithPipes())
	}
	_ = TestLoop
}
