package looptest

import (
	"io"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
)

// WakesAfterTheEnd has goroutines wake transports of loops that come and go, each with
// connections of the others' numbers. What an engine wakes its loop with is a
// descriptor, and after the end that may be somebody else's.
func WakesAfterTheEnd(t *testing.T, start func() adapters.Loop) {
	const loops, wakers = 20, 2
	for range loops {
		l := start()
		h := &Handler{}
		Attach(t, l, h)
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range wakers {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						h.T.Wake()
					}
				}
			})
		}
		l.Close()
		<-l.Done()
		// They get numbers that the loop has freed: a stray byte would be read.
		a, b := Pair(t)
		for range 100 {
			h.T.Wake()
		}
		close(stop)
		wg.Wait()
		a.Close()
		b.SetDeadline(time.Now().Add(2 * time.Minute))
		if n, err := b.Read(make([]byte, 10)); n != 0 || err != io.EOF {
			t.Errorf("%d bytes came, %v", n, err)
		}
	}
}
