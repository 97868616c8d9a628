package main

import (
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// machine is an open core.Conn with a channel, and a transport that drops.
type machine struct {
	conn *core.Conn
	ch   *core.Channel
	now  time.Time
	out  [][]byte
}

func newMachine() (*machine, error) {
	c, err := core.NewClient(core.ClientConfig{}, nil)
	if err != nil {
		return nil, err
	}
	m := &machine{conn: c, now: time.Now()}
	if err := c.Start(m.now); err != nil {
		return nil, err
	}
	for _, reply := range handshake() {
		c.Feed(reply, m.now)
	}
	m.ch, err = c.OpenChannel(nil)
	if err != nil {
		return nil, err
	}
	c.Feed(frame(1, &wire.ChannelOpenOk{}), m.now)
	m.flush()
	return m, c.Err()
}

func (m *machine) flush() {
	m.out = m.conn.Outbound(m.out[:0])
	m.conn.Advance(m.conn.Buffered())
}

func publishHaypile(size, n int) error {
	return publishMachine(&core.Publishing{Exchange: exchange, RoutingKey: routingKey, Body: make([]byte, size)}, n)
}

func publishPropertiesHaypile(size, n int) error {
	raw, err := properties().Encode()
	if err != nil {
		return err
	}
	return publishMachine(&core.Publishing{Exchange: exchange, RoutingKey: routingKey, RawProperties: raw, Body: make([]byte, size)}, n)
}

func publishMachine(p *core.Publishing, n int) error {
	m, err := newMachine()
	if err != nil {
		return err
	}
	for range n {
		if _, err := m.ch.Publish(p); err != nil {
			return err
		}
		if m.conn.Buffered() > 64<<10 {
			m.flush()
		}
	}
	m.flush()
	return nil
}

func deliverHaypile(size, n int) error {
	m, err := newMachine()
	if err != nil {
		return err
	}
	got := 0
	err = m.ch.Consume(&wire.BasicConsume{ConsumerTag: consumerTag}, func(d *core.Delivery) {
		got++
		m.ch.Ack(d.DeliveryTag, false)
	}, nil)
	if err != nil {
		return err
	}
	m.conn.Feed(frame(1, &wire.BasicConsumeOk{ConsumerTag: consumerTag}), m.now)
	feed := deliveries(size)
	for got < n {
		m.conn.Feed(feed, m.now)
		m.flush()
	}
	return m.conn.Err()
}
