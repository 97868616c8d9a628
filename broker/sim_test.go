package broker_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

func TestTheBrokersClockIsTheBubbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := adaptertest.NewSim(adaptertest.SimConfig{})
		b := start(t, broker.WithLoop(sim), broker.WithAddress("broker:5672"),
			broker.WithListen(func(_, address string) (net.Listener, error) { return sim.Listen(address) }))
		conn, err := blocking.Dial(t.Context(), "amqp://guest:guest@broker:5672/", blocking.WithLoop(sim),
			blocking.WithParams(func(p *blocking.Params) { p.DialContext = sim.DialContext }))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		ch, err := conn.Channel(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		declare(t, ch, "q", blocking.Table{"x-message-ttl": 3_600_000})
		send(t, ch, "q", "an hour")
		time.Sleep(59 * time.Minute)
		if n := ready(b, "q"); n != 1 {
			t.Fatalf("%d messages before their time", n)
		}
		time.Sleep(2 * time.Minute)
		if n := ready(b, "q"); n != 0 {
			t.Errorf("%d messages after their time", n)
		}
	})
}
