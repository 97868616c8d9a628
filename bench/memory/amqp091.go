package main

import (
	"context"
	"io"
	"sync"

	"github.com/haypile/haypile/core/wire"
	amqp "github.com/rabbitmq/amqp091-go"
)

// memory is the transport of an amqp091.Connection: it answers what has to be
// answered, drops the rest, and has deliveries ready for reading.
type memory struct {
	mu      sync.Mutex
	changed *sync.Cond
	in      []byte // to be read
	partial []byte // written, not yet a frame
	serving bool   // deliveries may flow
	feed    []byte
	size    int // messages in feed
	credit  int // feeds that may be read; acks earn more
	acks    int
	closed  bool
}

func newMemory() *memory {
	m := &memory{}
	m.changed = sync.NewCond(&m.mu)
	return m
}

func (m *memory) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.in) == 0 {
		if m.closed {
			return 0, io.EOF
		}
		if m.credit > 0 {
			m.credit--
			m.in = m.feed
			break
		}
		m.changed.Wait()
	}
	n := copy(p, m.in)
	m.in = m.in[n:]
	return n, nil
}

// Write looks at frames only until the connection is ready; then it counts acks
// by their size.
func (m *memory) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.serving:
		m.dialogue(p)
	case m.feed != nil:
		const ack = wire.FrameOverhead + 4 + 9
		m.acks += len(p) / ack
		for ; m.acks >= m.size; m.acks -= m.size {
			m.credit++
			m.changed.Signal()
		}
	}
	return len(p), nil
}

func (m *memory) dialogue(p []byte) {
	m.partial = append(m.partial, p...)
	if len(m.partial) >= 8 && m.partial[0] == 'A' {
		m.partial = m.partial[8:]
		m.answer(handshake()[0])
	}
	for {
		f, n, err := wire.ParseFrame(m.partial, 0)
		if err != nil || n == 0 {
			return
		}
		m.partial = m.partial[n:]
		method, err := wire.Decode(f.Payload)
		if err != nil {
			continue
		}
		switch method.ID() {
		case wire.ConnectionStartOkID:
			m.answer(handshake()[1])
		case wire.ConnectionOpenID:
			m.answer(handshake()[2])
		case wire.ChannelOpenID:
			m.answer(frame(1, &wire.ChannelOpenOk{}))
		case wire.BasicConsumeID:
			m.answer(frame(1, &wire.BasicConsumeOk{ConsumerTag: consumerTag}))
		}
	}
}

func (m *memory) answer(p []byte) {
	m.in = append(m.in, p...)
	m.changed.Signal()
}

func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.changed.Broadcast()
	return nil
}

// serve ends the dialogue.
func (m *memory) serve(size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.serving = true
	if size > 0 {
		m.feed, m.size, m.credit = deliveries(size), perFeed(size), 2
		m.changed.Signal()
	}
}

func openAMQP091() (*memory, *amqp.Connection, *amqp.Channel, error) {
	m := newMemory()
	conn, err := amqp.Open(m, amqp.Config{Heartbeat: 60e9, SASL: []amqp.Authentication{&amqp.PlainAuth{Username: "guest", Password: "guest"}}})
	if err != nil {
		return nil, nil, nil, err
	}
	ch, err := conn.Channel()
	return m, conn, ch, err
}

func publishAMQP091(size, n int) error {
	return publishPeer(amqp.Publishing{Body: make([]byte, size)}, n)
}

func publishPropertiesAMQP091(size, n int) error {
	p := properties()
	return publishPeer(amqp.Publishing{
		ContentType: p.ContentType, DeliveryMode: p.DeliveryMode, MessageId: p.MessageID, CorrelationId: p.CorrelationID,
		AppId: p.AppID, Type: p.Type, ReplyTo: p.ReplyTo, Headers: amqp.Table(p.Headers), Body: make([]byte, size),
	}, n)
}

func publishPeer(p amqp.Publishing, n int) error {
	m, _, ch, err := openAMQP091()
	if err != nil {
		return err
	}
	defer m.Close()
	m.serve(0)
	ctx := context.Background()
	for range n {
		if err := ch.PublishWithContext(ctx, exchange, routingKey, false, false, p); err != nil {
			return err
		}
	}
	return nil
}

func deliverAMQP091(size, n int) error {
	m, _, ch, err := openAMQP091()
	if err != nil {
		return err
	}
	defer m.Close()
	messages, err := ch.Consume("queue", consumerTag, false, false, false, false, nil)
	if err != nil {
		return err
	}
	m.serve(size)
	for range n {
		d := <-messages
		if err := d.Ack(false); err != nil {
			return err
		}
	}
	return nil
}
