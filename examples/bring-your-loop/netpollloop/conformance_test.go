//go:build !windows

package netpollloop_test

import (
	"testing"

	"example.com/bring-your-loop/netpollloop"
	"github.com/cloudwego/netpoll"
	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
)

func TestConformance(t *testing.T) {
	netpoll.Initialize() // its pollers stay: they are not to be counted as left over
	adaptertest.Run(t, func(*testing.T) adapters.Loop { return netpollloop.New() },
		adaptertest.WithReadAhead(1<<20))
}
