package broker_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

// FuzzClient has a client send anything once it is open: bytes, or methods and
// messages that a program of bytes chooses. Another connection must not notice, and
// with the client everything must go that was its own.
func FuzzClient(f *testing.F) {
	f.Add(false, []byte("\x01\x00\x01\x00\x00\x00\x04\x00\x14\x00\x0a\xce"))
	f.Add(false, bytes.Repeat([]byte{8, 0, 0, 0, 0, 0, 0, 0xce}, 9))
	f.Add(false, []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(false, appendFrames(f, 1, &wire.QueueDeclare{Queue: "a", Arguments: wire.Table{"x-max-length": int32(-1)}}, &wire.BasicGet{Queue: "a"}, &wire.BasicAck{}, &wire.ChannelClose{}, &wire.ChannelOpen{}))
	for i := range byte(deeds) {
		program := []byte{opDeclare, 1, opDeclare, 2, opBind, 1, opSelect, i % 2, opPublish, 1, opPublish, 2, opConsume, 2, opGet, 1}
		f.Add(true, append(program, i, 0, i, 1, opAck, 1, opReject, 2, opTx, 1, i, 7))
	}
	f.Fuzz(func(t *testing.T, program bool, input []byte) {
		if len(input) > 1<<12 {
			return
		}
		if program {
			input = compile(t, input)
		}
		b := broker.RunT(t, broker.WithProfile(broker.RabbitMQ3), broker.WithLimits(broker.Limits{Queues: 50, Consumers: 20, Bindings: 50}))
		innocent := openChannel(t, b)
		if _, err := innocent.QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: "innocent", Exclusive: true}); err != nil {
			t.Fatal(err)
		}
		attack(t, b, input, func() { confirmAndGet(t, innocent) })
		if err := b.WaitConnections(testContext(t), 1); err != nil {
			t.Fatal(err)
		}
		confirmAndGet(t, innocent)
		nothingIsLeft(t, b, innocent)
	})
}

// attack opens a connection and a channel, sends the input, and leaves without a word
// after meanwhile.
func attack(t *testing.T, b *broker.Broker, input []byte, meanwhile func()) {
	t.Helper()
	conn, err := b.DialContext(testContext(t), "tcp", "memory:5672")
	if err != nil {
		t.Fatal(err)
	}
	opened, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		awaitFrame(conn, appendFrames(t, 1, &wire.ChannelOpenOk{}))
		close(opened)
		io.Copy(io.Discard, conn) // until either end closes
	}()
	hello := append([]byte(wire.ProtocolHeader), appendFrames(t, 0,
		&wire.ConnectionStartOk{Mechanism: "PLAIN", Response: wire.NewSecret("\x00guest\x00guest"), Locale: "en_US"},
		&wire.ConnectionTuneOk{ChannelMax: 10, FrameMax: 131072}, &wire.ConnectionOpen{VirtualHost: "/"})...)
	conn.Write(append(append(hello, appendFrames(t, 1, &wire.ChannelOpen{})...), input...)) // it may be closed for what it says
	<-opened
	meanwhile()
	conn.Close()
	<-ended
}

// awaitFrame reads until a frame has come, or the end.
func awaitFrame(conn net.Conn, frame []byte) {
	var all []byte
	for buf := make([]byte, 4096); !bytes.Contains(all, frame); {
		n, err := conn.Read(buf)
		if all = append(all, buf[:n]...); err != nil {
			return
		}
	}
}

// confirmAndGet has a message go through the exclusive queue of a channel.
func confirmAndGet(t *testing.T, ch *blocking.Channel) {
	t.Helper()
	ctx := testContext(t)
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "innocent", Body: []byte("work")}); err != nil {
		t.Fatalf("an innocent connection: %v", err)
	}
	d, err := ch.Get(ctx, &blocking.Get{Queue: "innocent", NoAck: true})
	if err != nil || d == nil || string(d.Body) != "work" {
		t.Fatalf("an innocent connection got %v, %v", d, err)
	}
}

// nothingIsLeft deletes what clients may leave behind and looks for what they may
// not.
func nothingIsLeft(t *testing.T, b *broker.Broker, ch *blocking.Channel) {
	t.Helper()
	s := b.State()
	for _, q := range s.Queues {
		if q.Unacked != 0 || q.UnackedBytes != 0 || q.Consumers != 0 || q.Exclusive && q.Name != "innocent" {
			t.Errorf("left: %+v", q)
		}
		if _, err := ch.QueueDelete(testContext(t), &blocking.QueueDelete{Queue: q.Name}); err != nil {
			t.Fatal(err)
		}
	}
	if s := b.State(); s.Memory != 0 || len(s.Bindings) != 0 || len(s.Consumers) != 0 {
		t.Errorf("%d bytes, %v and %v are left", s.Memory, s.Bindings, s.Consumers)
	}
}

func appendFrames(t testing.TB, channel uint16, methods ...wire.Method) (p []byte) {
	t.Helper()
	for _, m := range methods {
		var err error
		if p, err = wire.AppendMethodFrame(p, channel, m); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// What a program does: each deed is a byte, with a byte to choose by.
const (
	opDeclare = iota
	opDelete
	opPurge
	opBind
	opUnbind
	opExchange
	opPublish
	opConsume
	opCancel
	opGet
	opAck
	opReject
	opQos
	opSelect
	opTx
	opRecover
	opChannel
	deeds
)

// compile makes frames of a program.
func compile(t *testing.T, program []byte) (p []byte) {
	for len(program) > 1 {
		op, by := program[0]%deeds, program[1]
		program = program[2:]
		channel := uint16(1 + by>>7)
		if op == opPublish {
			p = appendMessage(t, p, channel, by)
			continue
		}
		p = append(p, appendFrames(t, channel, deed(op, by))...)
	}
	return p
}

func appendMessage(t *testing.T, p []byte, channel uint16, by byte) []byte {
	m := &wire.BasicPublish{RoutingKey: name(by), Mandatory: by&4 != 0}
	if by&8 != 0 {
		m.Exchange = "x" + name(by)
	}
	p = append(p, appendFrames(t, channel, m)...)
	body := bytes.Repeat([]byte{by}, int(by))
	raw, err := (&wire.Properties{Headers: wire.Table{"CC": []any{name(by + 1)}}, ReplyTo: "amq.rabbitmq.reply-to", Expiration: fmt.Sprint(by)}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if by&16 == 0 {
		raw = nil
	}
	return wire.AppendBody(wire.AppendHeaderFrame(p, channel, wire.ClassBasic, uint64(len(body)), raw), channel, body, 4096)
}

func name(by byte) string { return string('a' + rune(by%4)) }

// deed is a method other than basic.publish.
func deed(op, by byte) wire.Method {
	q, flag, other := name(by), by&16 != 0, by&32 != 0
	switch op {
	case opDeclare:
		return &wire.QueueDeclare{Queue: q, Exclusive: flag, AutoDelete: other, Arguments: queueArguments(by)}
	case opDelete:
		return &wire.QueueDelete{Queue: q, IfEmpty: flag, IfUnused: other}
	case opPurge:
		return &wire.QueuePurge{Queue: q}
	case opBind:
		return &wire.QueueBind{Queue: q, Exchange: "x" + name(by>>2), RoutingKey: "a.#"}
	case opUnbind:
		return &wire.QueueUnbind{Queue: q, Exchange: "x" + name(by>>2), RoutingKey: "a.#"}
	case opExchange:
		return &wire.ExchangeDeclare{Exchange: "x" + q, Type: []string{"topic", "fanout", "direct", "headers"}[by>>2&3], AutoDelete: flag}
	case opConsume:
		return &wire.BasicConsume{Queue: q, ConsumerTag: name(by >> 2), NoAck: flag, Exclusive: other}
	case opCancel:
		return &wire.BasicCancel{ConsumerTag: q}
	case opGet:
		return &wire.BasicGet{Queue: q, NoAck: flag}
	case opAck:
		return &wire.BasicAck{DeliveryTag: uint64(by & 15), Multiple: flag}
	case opReject:
		return &wire.BasicNack{DeliveryTag: uint64(by & 15), Multiple: flag, Requeue: other}
	case opQos:
		return &wire.BasicQos{PrefetchCount: uint16(by & 3), Global: flag}
	case opSelect:
		if flag {
			return &wire.ConfirmSelect{}
		}
		return &wire.TxSelect{}
	case opTx:
		if flag {
			return &wire.TxRollback{}
		}
		return &wire.TxCommit{}
	case opRecover:
		return &wire.BasicRecover{Requeue: true}
	default:
		if flag {
			return &wire.ChannelClose{ReplyCode: wire.ReplySuccess}
		}
		return &wire.ChannelOpen{}
	}
}

func queueArguments(by byte) wire.Table {
	switch by >> 2 & 7 {
	case 1:
		return wire.Table{"x-max-length": int32(1), "x-dead-letter-exchange": "", "x-dead-letter-routing-key": name(by + 1)}
	case 2:
		return wire.Table{"x-message-ttl": int32(0), "x-dead-letter-exchange": "xa"}
	case 3:
		return wire.Table{"x-max-priority": int32(3), "x-single-active-consumer": true}
	case 4:
		return wire.Table{"x-expires": int32(1)}
	case 5:
		return wire.Table{"x-max-length-bytes": int32(100), "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": ""}
	}
	return nil
}
