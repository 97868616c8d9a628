//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/internal/looptest"
	"github.com/haypile/haypile/adapters/stdnet"
)

// loops are what is compared, stdnet as the measure.
var loops = []struct {
	name string
	make func(b *testing.B) adapters.Loop
}{
	{"stdnet", func(*testing.B) adapters.Loop { return stdnet.New() }},
	{"grafted", func(b *testing.B) adapters.Loop { return start(b) }},
	{"relayed", func(b *testing.B) adapters.Loop { return start(b, evio.WithRelay()) }},
}

// benchmark runs f on each loop.
func benchmark(b *testing.B, f func(b *testing.B, l adapters.Loop)) {
	for _, loop := range loops {
		b.Run(loop.name, func(b *testing.B) {
			l := loop.make(b)
			f(b, l)
			b.StopTimer()
			l.Close()
			<-l.Done()
		})
	}
}

// BenchmarkEcho is the time for 64 bytes to come and go back, on 16 connections
// at once.
func BenchmarkEcho(b *testing.B) {
	const callers = 16
	benchmark(b, func(b *testing.B, l adapters.Loop) {
		var peers []net.Conn
		for range callers {
			ours, peer := looptest.Pair(b)
			if err := looptest.Try(l, echo(), ours); err != nil {
				b.Fatal(err)
			}
			peers = append(peers, peer)
		}
		b.ResetTimer()
		var wg sync.WaitGroup
		for i, peer := range peers {
			wg.Go(func() {
				message := make([]byte, 64)
				for range (b.N + i) / callers {
					peer.Write(message)
					if _, err := io.ReadFull(peer, message); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// BenchmarkWrite is a handler that writes 4 KiB at a time as fast as the peer
// reads.
func BenchmarkWrite(b *testing.B) {
	benchmark(b, func(b *testing.B, l adapters.Loop) {
		message := make([]byte, 4096)
		ours, peer := looptest.Pair(b)
		h, left := echo(), b.N
		h.Wake = func() {
			for ; left > 0 && h.T.Buffered() < adapters.HighWater; left-- {
				h.T.Write([][]byte{message})
			}
			if left > 0 && h.T.Buffered() <= adapters.LowWater {
				h.T.Wake()
			}
		}
		if err := looptest.Try(l, h, ours); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(message)))
		b.ResetTimer()
		h.T.Wake()
		if _, err := io.CopyN(io.Discard, peer, int64(b.N*len(message))); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkWake is a call into an idle loop and its answer.
func BenchmarkWake(b *testing.B) {
	benchmark(b, func(b *testing.B, l adapters.Loop) {
		answered := make(chan struct{}, 1)
		h := echo()
		h.Wake = func() { answered <- struct{}{} }
		ours, _ := looptest.Pair(b)
		if err := looptest.Try(l, h, ours); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		for range b.N {
			h.T.Wake()
			<-answered
		}
	})
}
