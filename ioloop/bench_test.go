package ioloop_test

import (
	"testing"

	"github.com/haypile/haypile/ioloop"
)

// BenchmarkRoundTrip is a callback into an idle loop and its answer, beside the
// same between two goroutines by channels.
func BenchmarkRoundTrip(b *testing.B) {
	b.Run("channel", func(b *testing.B) {
		there, back := make(chan struct{}), make(chan struct{})
		go func() {
			for range there {
				back <- struct{}{}
			}
		}()
		for b.Loop() {
			there <- struct{}{}
			<-back
		}
		close(there)
	})
	for _, p := range ioloop.Pollers() {
		b.Run(p.String(), func(b *testing.B) {
			l := start(b, ioloop.WithPoller(p))
			defer l.Close()
			back := make(chan struct{})
			answer := func() { back <- struct{}{} }
			for b.Loop() {
				if err := l.AddCallbackThreadsafe(answer); err != nil {
					b.Fatal(err)
				}
				<-back
			}
		})
	}
}

// BenchmarkCallbacks is what a callback costs when many goroutines add them.
func BenchmarkCallbacks(b *testing.B) {
	for _, p := range ioloop.Pollers() {
		b.Run(p.String(), func(b *testing.B) {
			l := start(b, ioloop.WithPoller(p))
			defer l.Close()
			nothing := func() {}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := l.AddCallbackThreadsafe(nothing); err != nil {
						b.Error(err)
					}
				}
			})
			done := make(chan struct{})
			l.AddCallbackThreadsafe(func() { close(done) })
			<-done
		})
	}
}
