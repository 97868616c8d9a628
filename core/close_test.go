package core_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestCloseIsAnsweredChildrenFirst(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.channel()
	ok(t, ch.Qos(&wire.BasicQos{}, reply[*wire.BasicQosOk](b, "qos")))
	ok(t, b.c.Close(0, "bye"))
	b.sent("1 basic.qos", "0 connection.close 200")
	b.told()
	if err := b.c.Close(0, ""); !errors.Is(err, core.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if err := ch.Ack(1, false); !errors.Is(err, core.ErrClosed) {
		t.Errorf("ack after Close: %v", err)
	}
	b.method(1, &wire.BasicQosOk{}) // too late to count
	b.method(0, &wire.ConnectionCloseOk{})
	b.told("qos failed: amqp: closed", "1 closed: <nil>", "2 closed: <nil>", "closed: <nil>")
	if !b.c.Finished() || b.c.Err() != nil {
		t.Errorf("finished %v, %v", b.c.Finished(), b.c.Err())
	}
	b.c.Lost(io.ErrUnexpectedEOF, b.now)
	b.told()
}

func TestBrokersCloseIsAnsweredBeforeTheTransportGoes(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	b.channel()
	b.split = func(p []byte) int { return len(p) }
	b.c.Feed(frames(t, 0, &wire.ConnectionClose{ReplyCode: 320, ReplyText: "CONNECTION_FORCED - stopping"}), b.now)
	if b.c.Finished() {
		t.Error("finished before close-ok has left")
	}
	b.sent("0 connection.close-ok")
	const why = "amqp: rabbit:5672: connection closed by the broker: 320 CONNECTION_FORCED - stopping"
	b.told("1 closed: "+why, "closed: "+why)
	if !b.c.Finished() || !errors.Is(b.c.Err(), wire.ConnectionForced) {
		t.Errorf("finished %v, %v", b.c.Finished(), b.c.Err())
	}
}

func TestConnectionClosedByBothSidesAtOnce(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ok(t, b.c.Close(0, ""))
	b.received()
	b.method(0, &wire.ConnectionClose{ReplyCode: 320})
	b.sent("0 connection.close-ok")
	b.told()
	b.method(0, &wire.ConnectionCloseOk{})
	if len(b.log) != 1 || !b.c.Finished() {
		t.Errorf("told %v", b.log)
	}
}

func TestCloseInTheHandshakeJustEnds(t *testing.T) {
	for n, items := range [][]any{nil, {start()}, {start(), &wire.ConnectionTune{}}} {
		b := newBench(t, core.ClientConfig{})
		if n > 0 {
			ok(t, b.c.Start(b.now))
			b.method(0, items...)
		}
		ok(t, b.c.Close(0, ""))
		b.told()
		if at := b.c.NextDeadline(); at.IsZero() || at.After(b.now) {
			t.Errorf("next deadline is %v", at)
		}
		b.at(0)
		b.told("closed: <nil>")
		if !b.c.Finished() || b.c.Buffered() != 0 {
			t.Error("not finished")
		}
	}
}

func TestCloseInTheHandshakeIsOrderlyWhateverComesNext(t *testing.T) {
	for name, next := range map[string]func(c *core.Conn){
		"a late tick":        func(c *core.Conn) { c.Tick(epoch.Add(time.Hour)) },
		"the transport ends": func(c *core.Conn) { c.Lost(nil, epoch) },
		"bytes":              func(c *core.Conn) { c.Feed([]byte("HTTP/1.1 400\r\n"), epoch) },
	} {
		b := newBench(t, core.ClientConfig{})
		ok(t, b.c.Start(b.now))
		ok(t, b.c.Close(0, ""))
		next(b.c)
		if b.told("closed: <nil>"); b.c.Err() != nil {
			t.Errorf("%s: ended with %v", name, b.c.Err())
		}
	}
}

func TestLostEndsEveryState(t *testing.T) {
	reset := errors.New("connection reset")
	for name, prepare := range map[string]func(b *bench){
		"idle":     func(*bench) {},
		"starting": func(b *bench) { ok(t, b.c.Start(b.now)) },
		"open":     func(b *bench) { b.handshake(wire.ConnectionTune{}) },
		"closing":  func(b *bench) { b.handshake(wire.ConnectionTune{}); ok(t, b.c.Close(0, "")) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, core.ClientConfig{})
			prepare(b)
			if got := b.c.State().String(); got != name {
				t.Fatalf("state is %s", got)
			}
			b.c.Lost(reset, b.now)
			if len(b.log) != 1 || !strings.HasPrefix(b.log[0], "closed: ") || !errors.Is(b.c.Err(), reset) || !b.c.Finished() {
				t.Errorf("told %v, ended with %v", b.log, b.c.Err())
			}
		})
	}
}

type chaosChannel struct {
	core.NopChannel
	act func()
}

func (c chaosChannel) OnClose(*core.Channel, error)          { c.act() }
func (c chaosChannel) OnConfirm(*core.Channel, core.Confirm) { c.act() }
func (c chaosChannel) OnReturn(*core.Channel, *core.Return)  { c.act() }
func (c chaosChannel) OnCancel(*core.Channel, string)        { c.act() }
func (c chaosChannel) OnFlow(*core.Channel, bool)            { c.act() }

// Each case makes one callback run, in which everything is closed.
func TestEverythingMayBeClosedInsideEveryCallback(t *testing.T) {
	for name, items := range map[string][]any{
		"delivery":   {&wire.BasicDeliver{ConsumerTag: "c"}, "x"},
		"reply":      {&wire.BasicQosOk{}},
		"confirm":    {&wire.BasicAck{DeliveryTag: 1}},
		"return":     {&wire.BasicReturn{}, "x"},
		"cancel":     {&wire.BasicCancel{ConsumerTag: "c"}},
		"flow":       {&wire.ChannelFlow{}},
		"close":      {&wire.ChannelClose{ReplyCode: 404}},
		"violation":  {&wire.TxCommitOk{}},
		"both sides": {&wire.BasicDeliver{ConsumerTag: "c"}, "x", &wire.ChannelClose{ReplyCode: 404}},
	} {
		for _, level := range []string{"channel", "connection"} {
			t.Run(name+" closes the "+level, func(t *testing.T) {
				inEverySplit(t, func(t *testing.T, s split) {
					b := opened(t, core.ClientConfig{})
					b.split = s
					var ch *core.Channel
					act := func() {
						if level == "channel" {
							ch.Close(0, "")
						} else {
							b.c.Close(0, "")
						}
						b.c.OpenChannel(nil)
					}
					var err error
					ch, err = b.c.OpenChannel(chaosChannel{act: act})
					ok(t, err)
					ok(t, ch.ConfirmSelect(&wire.ConfirmSelect{}, nil))
					ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(*core.Delivery) { act() }, nil))
					_, err = ch.Publish(&core.Publishing{})
					ok(t, err)
					ok(t, ch.Qos(&wire.BasicQos{}, func(*wire.BasicQosOk, error) { act() }))
					b.method(1, append([]any{&wire.ChannelOpenOk{}, &wire.ConfirmSelectOk{}, &wire.BasicConsumeOk{ConsumerTag: "c"}}, items...)...)
					b.method(1, &wire.BasicDeliver{ConsumerTag: "c"}, "more")
					b.c.Lost(nil, b.now)
					closed := 0
					for _, line := range b.log {
						if strings.HasPrefix(line, "closed: ") {
							closed++
						}
					}
					if closed != 1 || !strings.HasPrefix(b.log[len(b.log)-1], "closed: ") || !b.c.Finished() {
						t.Errorf("told %v", b.log)
					}
				})
			})
		}
	}
}

func TestDriverSideInsideACallbackPanicsWithItsName(t *testing.T) {
	for name, call := range map[string]func(b *bench){
		"Start":      func(b *bench) { b.c.Start(b.now) },
		"Feed":       func(b *bench) { b.c.Feed(nil, b.now) },
		"Tick":       func(b *bench) { b.c.Tick(b.now) },
		"Lost":       func(b *bench) { b.c.Lost(nil, b.now) },
		"Advance":    func(b *bench) { b.c.Advance(1) },
		"SetReading": func(b *bench) { b.c.SetReading(false, b.now) },
	} {
		b := opened(t, core.ClientConfig{})
		ch := b.channel()
		ok(t, ch.Qos(&wire.BasicQos{}, func(*wire.BasicQosOk, error) {
			defer func() {
				if v := recover(); !strings.Contains(fmt.Sprint(v), name) {
					t.Errorf("%s: recovered %v", name, v)
				}
			}()
			call(b)
		}))
		b.method(1, &wire.BasicQosOk{})
	}
}

func TestPanicLeavesOnlyLostWhichTellsTheRest(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch, err := b.c.OpenChannel(chaosChannel{act: func() { b.note("1 closed, panics"); panic("in OnClose") }})
	ok(t, err)
	other := b.channelUnasked()
	ok(t, ch.Qos(&wire.BasicQos{}, func(*wire.BasicQosOk, error) { panic("in a reply") }))
	ok(t, ch.TxSelect(&wire.TxSelect{}, reply[*wire.TxSelectOk](b, "tx")))
	if v := recovered(func() { b.method(1, &wire.ChannelOpenOk{}, &wire.BasicQosOk{}) }); v != "in a reply" {
		t.Fatalf("recovered %v", v)
	}
	b.c.Tick(b.now)
	b.c.Feed(frames(t, 1, &wire.TxSelectOk{}), b.now)
	if err := other.Ack(1, false); !errors.Is(err, core.ErrClosed) || len(b.c.Outbound(nil)) != 0 {
		t.Errorf("ack after the panic: %v", err)
	}
	b.told()
	cause := errors.New("panicked")
	if v := recovered(func() { b.c.Lost(cause, b.now) }); v != "in OnClose" {
		t.Errorf("recovered %v", v)
	}
	const why = "amqp: rabbit:5672: panicked"
	b.told("tx failed: "+why, "1 closed, panics", "2 closed: "+why, "closed: "+why)
	b.c.Lost(cause, b.now)
	b.told()
}

func recovered(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// channelUnasked opens a channel of which the broker hears later.
func (b *bench) channelUnasked() *core.Channel {
	ch, err := b.c.OpenChannel(channelListener{b})
	ok(b.t, err)
	return ch
}
