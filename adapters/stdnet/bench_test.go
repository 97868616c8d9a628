package stdnet_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/stdnet"
)

// tcpPair is two ends of a connection over loopback.
func tcpPair(t testing.TB) (ours, peer net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if peer, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return ours, peer
}

// queue is a handler that sends what other goroutines add to it.
type queue struct {
	opened chan adapters.Transport

	mu      sync.Mutex
	room    sync.Cond
	pending []byte
	t       adapters.Transport
	spare   []byte
}

func (q *queue) OnOpen(t adapters.Transport, _ time.Time) {
	q.t = t
	q.opened <- t
}
func (q *queue) OnData([]byte, time.Time) {}
func (q *queue) OnClose(error, time.Time) {}
func (q *queue) OnWake(time.Time) {
	if q.t.Buffered() >= adapters.HighWater {
		return // LowWater wakes again
	}
	q.mu.Lock()
	batch := q.pending
	q.pending = q.spare[:0]
	q.room.Broadcast()
	q.mu.Unlock()
	q.t.Write([][]byte{batch})
	q.spare = batch
}

func (q *queue) add(message []byte) {
	q.mu.Lock()
	for len(q.pending) >= adapters.HighWater {
		q.room.Wait()
	}
	first := len(q.pending) == 0
	q.pending = append(q.pending, message...)
	q.mu.Unlock()
	if first {
		q.t.Wake()
	}
}

// BenchmarkQueue is publishing: goroutines queue messages of 256 bytes, the
// first of a batch calls Wake. It ends when the peer has all.
func BenchmarkQueue(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			ours, peer := tcpPair(b)
			loop := stdnet.New()
			q := &queue{opened: make(chan adapters.Transport, 1)}
			q.room.L = &q.mu
			if err := loop.Attach(ours, q); err != nil {
				b.Fatal(err)
			}
			<-q.opened
			message := make([]byte, 256)
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			var wg sync.WaitGroup
			b.ResetTimer()
			for i := range callers {
				wg.Go(func() {
					for range share(b.N, callers, i) {
						q.add(message)
					}
				})
			}
			if _, err := io.CopyN(io.Discard, peer, int64(b.N*len(message))); err != nil {
				b.Fatal(err)
			}
			wg.Wait()
			b.StopTimer()
			loop.Close()
			<-loop.Done()
		})
	}
}

// share is how many of n fall to one of several callers.
func share(n, callers, i int) int { return (n + i) / callers }

// BenchmarkRoundTrip is the time for 64 bytes to come and go back.
func BenchmarkRoundTrip(b *testing.B) {
	for _, peers := range []int{1, 64} {
		b.Run(fmt.Sprintf("transports=%d", peers), func(b *testing.B) {
			loop := stdnet.New()
			var conns []net.Conn
			for range peers {
				ours, peer := tcpPair(b)
				if err := loop.Attach(ours, &echo{}); err != nil {
					b.Fatal(err)
				}
				conns = append(conns, peer)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, peer := range conns {
				wg.Go(func() {
					message := make([]byte, 64)
					for range share(b.N, peers, i) {
						peer.Write(message)
						if _, err := io.ReadFull(peer, message); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			loop.Close()
			<-loop.Done()
		})
	}
}

// BenchmarkIdle is what a transport costs that does nothing, with its share of
// Go's part of the socket.
func BenchmarkIdle(b *testing.B) {
	const count = 500
	for b.Loop() {
		loop := stdnet.New()
		var pairs [count]net.Conn
		for i := range pairs {
			pairs[i], _ = tcpPair(b)
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		goroutines := runtime.NumGoroutine()
		for _, conn := range pairs {
			h := &queue{opened: make(chan adapters.Transport, 1)}
			if err := loop.Attach(conn, h); err != nil {
				b.Fatal(err)
			}
			<-h.opened
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
		b.ReportMetric(float64(used)/count, "B/transport")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/count, "goroutines/transport")
		loop.Close()
		<-loop.Done()
	}
}
