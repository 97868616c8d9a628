//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio_test

import (
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/evio"
)

func TestConformance(t *testing.T) {
	for name, opts := range map[string][]evio.Option{
		"one event loop":          nil,
		"three event loops":       {evio.WithEventLoops(3)},
		"one event loop, relayed": {evio.WithRelay()},
	} {
		t.Run(name, func(t *testing.T) {
			adaptertest.Run(t, func(t *testing.T) adapters.Loop { return start(t, opts...) })
		})
	}
}

func start(t testing.TB, opts ...evio.Option) *evio.Loop {
	t.Helper()
	l, err := evio.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
