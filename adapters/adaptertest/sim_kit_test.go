package adaptertest

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters"
)

// onSim tries a Sim on its own network, each test in a bubble of its own.
func onSim(name string) Option {
	listen := func(t *trial) (net.Listener, dialContext) {
		sim := t.loop.(*Sim)
		ln, err := sim.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return ln, sim.DialContext
	}
	return func(k *kit) {
		k.networks = []network{{
			name: name, holds: true, halves: true, crowds: true, listen: listen, inside: synctest.Test,
			reset: func(peer net.Conn) { peer.(*SimConn).Cut() },
			pair: func(t *trial) (ours, peer net.Conn) {
				ln, dial := listen(t)
				defer ln.Close()
				ours, err := dial(t.Context(), "", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				if peer, err = ln.Accept(); err != nil {
					t.Fatal(err)
				}
				return ours, peer
			},
		}}
	}
}

func TestSimConformance(t *testing.T) {
	for name, cfg := range map[string]SimConfig{
		"plain":          {},
		"slow and split": {Seed: 1, Latency: 3 * time.Millisecond, Jitter: 2 * time.Millisecond, MaxChunk: 20_000, Bandwidth: 50 << 20},
	} {
		Run(t, func(*testing.T) adapters.Loop { return NewSim(cfg) }, onSim(name))
	}
}
