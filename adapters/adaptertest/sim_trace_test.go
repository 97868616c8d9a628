package adaptertest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// talker publishes a message each second, all in callbacks, and closes its
// connection after some.
type talker struct {
	conn *driver.Conn
	ch   *core.Channel
	left int
}

func (k *talker) begin(c *core.Conn) {
	k.ch, _ = c.OpenChannel(nil) // the first of a connection that is open
	k.ch.ConfirmSelect(&wire.ConfirmSelect{}, nil)
	k.talk(c)
}

func (k *talker) talk(c *core.Conn) {
	if k.left--; k.left < 0 {
		c.Close(wire.ReplySuccess, "bye")
		return
	}
	k.ch.Publish(&core.Publishing{RoutingKey: "jobs", Body: make([]byte, 1000*k.left)})
	k.conn.CallLater(time.Second, k.talk)
}

// traced is what happens when three talkers share a rough network, on which the
// second one's connection breaks.
func traced(t *testing.T, seed uint64) (trace []string) {
	cfg := rough
	cfg.Seed = seed
	cfg.Trace = func(e adaptertest.SimEvent) { trace = append(trace, e.String()) }
	cfg.OnConnect = func(c *adaptertest.SimConn) {
		if c.Number() == 2 {
			c.CutAfter(20_000)
		}
	}
	inBubble(t, cfg, func(t *testing.T, sim *adaptertest.Sim) {
		server := serveOn(t, sim, address)
		var conns []*driver.Conn
		for range 3 {
			k := &talker{left: 10}
			k.conn = driver.Open(context.Background(), sim, params(t, sim, address), nil)
			k.conn.AddCallbackThreadsafe(k.begin)
			conns = append(conns, k.conn)
			time.Sleep(700 * time.Millisecond) // one at a time, for their numbers
		}
		for i, conn := range conns {
			<-conn.Done()
			if err := conn.Err(); errors.Is(err, syscall.ECONNRESET) != (i == 1) {
				t.Errorf("connection %d ended with %v", i+1, err)
			}
		}
		time.Sleep(time.Minute) // until the server knows, too
		if n := server.Conns(); n > 0 {
			t.Errorf("the server has %d connections left", n)
		}
	})
	return trace
}

func TestSameSeedSameTrace(t *testing.T) {
	first := traced(t, 7)
	for range 5 {
		if again := traced(t, 7); !slices.Equal(again, first) {
			t.Fatalf("two runs of one seed differ: %s", firstDifference(first, again))
		}
	}
	if slices.Equal(traced(t, 8), first) {
		t.Error("another seed changes nothing")
	}
	text := strings.Join(first, "\n")
	for _, part := range []string{
		"0s 1 client dials " + address, "1 client connected " + address, "1 client sends 8 bytes",
		"1 server gets ", "2 server reset", "2 client reset", "3 server gets end", "3 client gets end",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in the trace:\n%s", part, text)
		}
	}
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d of %d and %d: %q, %q", i, len(a), len(b), a[i], b[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(a), len(b))
}
