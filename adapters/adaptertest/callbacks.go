package adaptertest

import (
	"sync"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
)

// testCallbacks has goroutines add a million callbacks to a connection of the
// driver's. Each must run once, and those of one goroutine in their order.
func testCallbacks(t *trial) {
	const callers = 8
	each := 125_000
	if t.network.inside != nil {
		each = 1000 // time is counted in calls there
	}
	ln, dial := t.network.listen(t)
	server := t.serve(ln, nil)
	p, err := driver.ParseURI("amqp://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p.DialContext = dial
	conn, err := t.dial(p)
	if err != nil {
		t.Fatal(err)
	}
	var next [callers]int // on the loop
	left := callers
	all := make(chan struct{})
	var wg sync.WaitGroup
	for who := range callers {
		wg.Go(func() {
			for i := range each {
				err := conn.AddCallbackThreadsafe(func(*core.Conn) {
					if next[who] != i {
						t.Errorf("callback %d of goroutine %d ran in the place of number %d", i, who, next[who])
					}
					if next[who] = i + 1; next[who] < each {
						return
					}
					if left--; left == 0 {
						close(all)
					}
				})
				if err != nil {
					t.Errorf("callback %d of goroutine %d: %v", i, who, err)
					return
				}
			}
		})
	}
	wg.Wait()
	t.await("the last callback", all)
	conn.Close()
	t.await("the client's end", conn.Done())
	server.Close()
	t.await("the server's end", server.Done())
}
