package test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestSmallerLimitOfBothSidesHolds(t *testing.T) {
	for name, test := range map[string]struct {
		query     string
		channels  uint16
		frame     uint32
		heartbeat time.Duration
	}{
		"ours":               {"channel_max=3&frame_max=4096&heartbeat=7", 3, 4096, 7 * time.Second},
		"the broker's":       {"channel_max=60000&frame_max=1000000", 2047, 131072, time.Minute},
		"without heartbeats": {"heartbeat=0", 2047, 131072, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialCallback(t, with(brokerURL(t), test.query), nil)
			err := c.on(func(cc *core.Conn, done func(error)) {
				if cc.ChannelMax() != test.channels || cc.FrameMax() != test.frame || cc.Heartbeat() != test.heartbeat {
					t.Errorf("%d channels, frames of %d bytes, heartbeats every %s", cc.ChannelMax(), cc.FrameMax(), cc.Heartbeat())
				}
				done(nil)
			})
			if err != nil {
				t.Error(err)
			}
			c.works()
		})
	}
}

func TestBrokerSaysWhatItCanDo(t *testing.T) {
	c := dialCallback(t, brokerURL(t), nil)
	err := c.on(func(cc *core.Conn, done func(error)) {
		for _, name := range []string{
			"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify", "connection.blocked",
			"consumer_priorities", "authentication_failure_close", "per_consumer_qos", "direct_reply_to",
		} {
			if !cc.HasCapability(name) {
				t.Errorf("no %s", name)
			}
		}
		if p := cc.PeerProperties(); p["product"] != "RabbitMQ" {
			t.Errorf("properties are %v", p)
		}
		done(nil)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestChannelNumbersRunOutAndComeBack(t *testing.T) {
	conn := dial(t, "channel_max=3")
	ctx := testContext(t)
	for range 20 { // a number must be free again as soon as its channel is closed
		var all []*blocking.Channel
		for range 3 {
			all = append(all, channel(t, conn))
		}
		if _, err := conn.Channel(ctx); !errors.Is(err, blocking.ErrNoChannel) {
			t.Fatalf("channel 4 of 3: %v", err)
		}
		for _, ch := range all {
			if err := ch.Close(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestChannelNumberOfOnesOwnChoice(t *testing.T) {
	c := dialCallback(t, brokerURL(t), nil)
	err := c.on(func(cc *core.Conn, done func(error)) {
		ch, err := cc.OpenChannelNumber(1000, failing{done: done})
		if err != nil {
			done(err)
			return
		}
		if _, err := cc.OpenChannelNumber(1000, nil); !errors.Is(err, core.ErrNoChannel) {
			t.Errorf("the same one twice: %v", err)
		}
		if _, err := cc.OpenChannelNumber(3000, nil); !errors.As(err, new(*core.ConfigError)) {
			t.Errorf("one above the limit: %v", err)
		}
		ch.QueueDeclare(&wire.QueueDeclare{Exclusive: true}, func(_ *wire.QueueDeclareOk, err error) { done(err) })
	})
	if err != nil {
		t.Error(err)
	}
}

func TestBodiesThatFillFramesExactlyComeBackAsSent(t *testing.T) {
	for _, frameMax := range []int{4096, 131072} {
		ch := channel(t, dial(t, fmt.Sprint("frame_max=", frameMax)))
		q := queue(t, ch)
		frame := frameMax - wire.FrameOverhead
		for _, size := range []int{0, 1, frame - 1, frame, frame + 1, 2 * frame, 40*frame + 1} {
			body := make([]byte, size)
			for i := range body {
				body[i] = byte(i * 7)
			}
			publish(t, ch, &blocking.Publishing{RoutingKey: q, Body: body})
			if d := fetch(t, ch, q); !bytes.Equal(d.Body, body) {
				t.Errorf("%d bytes in frames of %d came back as %d bytes", size, frameMax, len(d.Body))
			}
		}
	}
}

func TestHeadersThatDoNotFitAFrameAreRefusedAlone(t *testing.T) {
	ch := channel(t, dial(t, "frame_max=4096"))
	q := queue(t, ch)
	err := ch.PublishConfirm(testContext(t), &blocking.Publishing{RoutingKey: q, Properties: &blocking.Properties{Headers: blocking.Table{"big": make([]byte, 5000)}}})
	if !errors.Is(err, blocking.ErrFrameTooLarge) {
		t.Errorf("publish: %v", err)
	}
	publish(t, ch, &blocking.Publishing{RoutingKey: q})
	if n := ready(t, ch, q); n != 1 {
		t.Errorf("%d messages arrived", n)
	}
}
