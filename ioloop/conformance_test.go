package ioloop_test

import (
	"errors"
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/ioloop"
)

func TestConformance(t *testing.T) {
	for _, p := range ioloop.Pollers() {
		t.Run(p.String(), func(t *testing.T) {
			var opts []adaptertest.Option
			if p == ioloop.Select {
				opts = append(opts, adaptertest.WithDescriptorsBelow(1024))
			}
			adaptertest.Run(t, func(t *testing.T) adapters.Loop { return start(t, ioloop.WithPoller(p)) }, opts...)
		})
	}
}

// start is a loop that runs.
func start(t testing.TB, opts ...ioloop.Option) *ioloop.Loop {
	t.Helper()
	l, err := ioloop.New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if err := l.Start(); err != nil && !errors.Is(err, ioloop.ErrClosed) {
			t.Error(err)
		}
	}()
	return l
}
