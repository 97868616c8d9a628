//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package gnet_test

import (
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/gnet"
)

func TestConformance(t *testing.T) {
	for name, opts := range map[string][]gnet.Option{"one event loop": nil, "four event loops": {gnet.WithEventLoops(4)}} {
		t.Run(name, func(t *testing.T) {
			adaptertest.Run(t, func(t *testing.T) adapters.Loop { return start(t, opts...) })
		})
	}
}

// A gnet whose poller is not found cannot stop reading, which the loop then has to
// declare.
func TestConformanceWithoutPoller(t *testing.T) {
	adaptertest.Run(t, func(t *testing.T) adapters.Loop { return start(t, gnet.WithoutPoller()) }, adaptertest.WithReadAhead(1<<20))
}

func start(t testing.TB, opts ...gnet.Option) *gnet.Loop {
	t.Helper()
	l, err := gnet.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
