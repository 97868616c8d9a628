package core_test

import (
	"errors"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestHeldBackCallsSayThatTheyWereNotSent(t *testing.T) {
	b := opened(t, core.ClientConfig{Serial: true})
	ch := b.channel()
	var sent, held, lent error
	ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, func(_ *wire.QueueDeclareOk, err error) { sent = err }))
	ok(t, ch.QueuePurge(&wire.QueuePurge{}, func(_ *wire.QueuePurgeOk, err error) { held = err }))
	_, err := ch.PublishLoan(&core.Publishing{Body: make([]byte, 100)}, func(err error) { lent = err })
	ok(t, err)
	b.method(1, &wire.ChannelClose{ReplyCode: wire.NotFound})
	if !errors.Is(sent, wire.NotFound) || errors.Is(sent, core.ErrNotSent) {
		t.Errorf("the request that was sent: %v", sent)
	}
	for what, err := range map[string]error{"request": held, "loan": lent} {
		if !errors.Is(err, core.ErrNotSent) || !errors.Is(err, wire.NotFound) {
			t.Errorf("the %s that was held back: %v", what, err)
		}
	}
}

func TestHeldBackOutputCountsAsBuffered(t *testing.T) {
	b := opened(t, core.ClientConfig{Serial: true, MaxBuffered: 1000})
	ch := b.channel()
	ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, nil))
	b.flush()
	_, err := ch.Publish(&core.Publishing{Body: make([]byte, 1000)})
	ok(t, err)
	if n := b.c.Buffered(); n < 1000 {
		t.Errorf("%d bytes are buffered", n)
	}
	if _, err := ch.Publish(&core.Publishing{}); !errors.Is(err, core.ErrBackpressure) {
		t.Errorf("publish above MaxBuffered: %v", err)
	}
	b.method(1, &wire.QueueDeclareOk{})
	b.told("writable")
}

// Everything that is held back leaves, in order, also when there is much of it.
func TestSerialModeKeepsTheOrder(t *testing.T) {
	b := opened(t, core.ClientConfig{Serial: true})
	first, second := b.channel(), b.channel()
	var want []string
	answers := 0
	for i := range uint64(200) {
		ch := first
		if i%3 == 0 {
			ch = second
		}
		ok(t, ch.QueuePurge(&wire.QueuePurge{}, func(*wire.QueuePurgeOk, error) { answers++ }))
		ok(t, ch.Nack(i+1, false, true))
	}
	for i := range uint64(200) {
		number := uint16(1)
		if i%3 == 0 {
			number = 2
		}
		b.method(number, &wire.QueuePurgeOk{})
		want = append(want, line(number, "queue.purge"), line(number, "basic.nack %d false true", i+1))
	}
	b.sent(want...)
	if answers != 200 {
		t.Errorf("%d answers", answers)
	}
}

// What a dead channel held back makes room when it is passed, though nothing is
// sent then.
func TestWritableIsToldWhenHeldBackOutputIsGivenUp(t *testing.T) {
	b := opened(t, core.ClientConfig{Serial: true, MaxBuffered: 1000})
	first, second := b.channel(), b.channel()
	ok(t, first.Qos(&wire.BasicQos{}, nil))
	_, err := second.Publish(&core.Publishing{Body: make([]byte, 1000)})
	ok(t, err)
	if _, err := first.Publish(&core.Publishing{}); !errors.Is(err, core.ErrBackpressure) {
		t.Fatal(err)
	}
	b.method(2, &wire.ChannelClose{ReplyCode: wire.NotFound})
	b.log = nil
	b.flush()
	b.method(1, &wire.BasicQosOk{})
	b.told("writable")
}

func TestNothingIsBufferedWhenTheConnectionIsOver(t *testing.T) {
	b := opened(t, core.ClientConfig{Serial: true})
	ch := b.channel()
	ok(t, ch.Qos(&wire.BasicQos{}, nil))
	_, err := ch.Publish(&core.Publishing{Body: make([]byte, 1000)})
	ok(t, err)
	b.c.Lost(nil, b.now)
	if n := b.c.Buffered(); n != 0 {
		t.Errorf("%d bytes are buffered", n)
	}
}

func TestOnlyTheLoansOfADeadChannelAreGivenUp(t *testing.T) {
	b := opened(t, core.ClientConfig{Serial: true})
	first, second := b.channel(), b.channel()
	ok(t, first.Qos(&wire.BasicQos{}, nil))
	b.received()
	for i, ch := range []*core.Channel{first, second, first, second} {
		_, err := ch.PublishLoan(&core.Publishing{Body: make([]byte, 100+i)}, func(err error) { b.note("%d returned, not sent %v", i, errors.Is(err, core.ErrNotSent)) })
		ok(t, err)
	}
	b.method(2, &wire.ChannelClose{ReplyCode: wire.NotFound, ReplyText: "gone"})
	b.told("1 returned, not sent true", "3 returned, not sent true", "2 closed: amqp: rabbit:5672: channel 2 closed by the broker: 404 NOT_FOUND - gone")
	b.method(1, &wire.BasicQosOk{})
	b.sent("2 channel.close-ok", "1 basic.publish", "1 header 100", "1 body 100", "1 basic.publish", "1 header 102", "1 body 102")
	b.told("0 returned, not sent false", "2 returned, not sent false")
}

func TestTheAnswerToASecretLetsHeldBackCallsGo(t *testing.T) {
	b := opened(t, core.ClientConfig{Serial: true})
	ch := b.channel()
	ok(t, b.c.UpdateSecret(wire.NewSecret("s"), "", func(err error) { b.note("secret: %v", err) }))
	ok(t, ch.Qos(&wire.BasicQos{}, nil))
	b.sent("0 connection.update-secret")
	b.method(0, &wire.ConnectionUpdateSecretOk{})
	b.told("secret: <nil>")
	b.sent("1 basic.qos")
}

// A panic in the trace of what is let go leaves nobody without an end: not who waits for
// it, nor who waited for what let it go.
func TestAPanicWhenCallsAreLetGoIsTheEndOfAll(t *testing.T) {
	for name, reply := range map[string]wire.Method{
		"by a reply": &wire.QueueDeclareOk{},
		"by the end": &wire.ChannelClose{ReplyCode: wire.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			b := opened(t, core.ClientConfig{Serial: true, Trace: func(f *core.TraceFrame) {
				if f.Sent && f.Method == wire.QueuePurgeID {
					panic("in a trace")
				}
			}})
			first, second := b.channel(), b.channel()
			told := 0
			ok(t, first.QueueDeclare(&wire.QueueDeclare{}, func(*wire.QueueDeclareOk, error) { told++ }))
			ok(t, second.QueuePurge(&wire.QueuePurge{}, func(*wire.QueuePurgeOk, error) { told++ }))
			ok(t, second.QueueDelete(&wire.QueueDelete{}, func(*wire.QueueDeleteOk, error) { told++ }))
			func() {
				defer func() { _ = recover() }()
				b.method(1, reply)
			}()
			b.c.Lost(errors.New("panicked"), b.now)
			if told != 3 {
				t.Errorf("%d of 3 requests were told of their end", told)
			}
		})
	}
}
