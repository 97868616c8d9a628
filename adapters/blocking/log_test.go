package blocking

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/internal/fakebroker"
)

// The goroutine that writes may come to it when the connection has been lost, and is
// back elsewhere.
func TestTheLogTellsWhereTheConnectionWasOpened(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var addrs []string
	var conns []*Conn
	for range 2 {
		addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
			if s.Handshake() {
				s.Serve(nil)
			}
		})
		conn, err := Dial(ctx, "amqp://"+addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		addrs, conns = append(addrs, addr), append(conns, conn)
	}
	var out bytes.Buffer
	c := &Conn{log: newConnLog(slog.New(slog.NewTextHandler(&out, nil)), &Params{})}
	hold, written := make(chan struct{}), make(chan struct{})
	c.dispatch.add(func() { <-hold })
	c.live.Store(conns[0].live.Load())
	c.tellOpen()
	c.live.Store(conns[1].live.Load())
	c.dispatch.add(func() { close(written) })
	close(hold)
	<-written
	if !strings.Contains(out.String(), "remote="+addrs[0]) {
		t.Errorf("opened at %s, and then at %s, it wrote %s", addrs[0], addrs[1], &out)
	}
}
