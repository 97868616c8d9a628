package broker_test

import (
	"crypto/tls"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestOptionsThatAreOutOfRangeAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		option broker.Option
	}{
		{"a profile that does not exist", broker.WithProfile(7)},
		{"a memory limit below zero", broker.WithMemoryLimit(-1)},
		{"a message limit below zero", broker.WithMaxMessage(-1)},
		{"an ack timeout below zero", broker.WithAckTimeout(-time.Second)},
		{"a journal of less than nothing", broker.WithJournal(-1)},
		{"a frame-max below the least", broker.WithServer(func(c *core.ServerConfig) { c.FrameMax = 100 })},
		{"TLS without a certificate", broker.WithTLS("127.0.0.1:0", &tls.Config{})},
	} {
		t.Run(test.name, func(t *testing.T) {
			var e *core.ConfigError
			if _, err := broker.New(test.option); !errors.As(err, &e) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOptionsThatAreNilMeanTheDefault(t *testing.T) {
	b := start(t, broker.WithLogger(nil), broker.WithListen(nil), broker.WithLoop(nil), broker.WithServer(nil))
	mayUse(t, b)
	var e *core.ConfigError
	if err := b.Serve(nil, nil); !errors.As(err, &e) {
		t.Errorf("Serve without a listener: %v", err)
	}
}

func mayUse(t *testing.T, b *broker.Broker) {
	t.Helper()
	ch := dial(t, b.URL())
	declare(t, ch, "q", nil)
	send(t, ch, "q", "x")
}

func TestTheLargestMemoryLimitIsNone(t *testing.T) {
	mayUse(t, start(t, broker.WithMemoryLimit(math.MaxInt64)))
}

// What a message's header announces is judged at once, by the option and not by what
// connections take by default.
func TestMessagesMayBeAsLargeAsTheOptionSays(t *testing.T) {
	const size = core.DefaultMaxMessage + 1
	b := start(t, broker.WithMaxMessage(size), broker.WithJournal(20))
	conn := rawClient(t, b, &wire.BasicPublish{RoutingKey: "q"})
	p := wire.AppendHeaderFrame(nil, 1, wire.ClassBasic, size, make(wire.RawProperties, 2))
	p, err := wire.AppendMethodFrame(p, 2, &wire.ChannelOpen{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitFor(timeout(t), func(s *broker.State) bool {
		return len(s.Connections) > 0 && len(s.Connections[0].Channels) == 2
	}); err != nil {
		t.Fatal(err)
	}
	for _, e := range b.Journal() {
		if e.Method == wire.ChannelCloseID {
			t.Errorf("refused: %s", e.String())
		}
	}
}

func TestAMemoryLimitOfZeroIsExceededByTheFirstMessage(t *testing.T) {
	b := broker.RunT(t, broker.WithMemoryLimit(0))
	ch := openChannel(t, b)
	makeQueues(t, ch, "q")
	mustPublish(t, ch, "q", "the only one")
	if !b.State().MemoryAlarm {
		t.Error("there is no alarm")
	}
}
