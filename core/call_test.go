package core_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestRequestsArePipelinedAndAnsweredInOrder(t *testing.T) {
	inEverySplit(t, func(t *testing.T, s split) {
		b := opened(t, core.ClientConfig{})
		b.split = s
		ch, err := b.c.OpenChannel(channelListener{b})
		ok(t, err)
		ok(t, ch.ExchangeDeclare(&wire.ExchangeDeclare{Exchange: "e", Type: "topic"}, reply[*wire.ExchangeDeclareOk](b, "exchange.declare")))
		ok(t, ch.QueueDeclare(&wire.QueueDeclare{Queue: "q"}, func(r *wire.QueueDeclareOk, err error) { b.note("queue %s, %v", r.Queue, err) }))
		ok(t, ch.QueueBind(&wire.QueueBind{Queue: "q", Exchange: "e"}, reply[*wire.QueueBindOk](b, "queue.bind")))
		_, err = ch.Publish(&core.Publishing{Exchange: "e", Body: []byte("hello")})
		ok(t, err)
		ok(t, ch.QueuePurge(&wire.QueuePurge{}, nil))
		ok(t, ch.QueueDelete(&wire.QueueDelete{}, reply[*wire.QueueDeleteOk](b, "queue.delete")))
		b.sent("1 channel.open", "1 exchange.declare", "1 queue.declare", "1 queue.bind",
			"1 basic.publish", "1 header 5", "1 body 5", "1 queue.purge", "1 queue.delete")
		b.told()
		b.method(1, &wire.ChannelOpenOk{}, &wire.ExchangeDeclareOk{}, &wire.QueueDeclareOk{Queue: "q"},
			&wire.QueueBindOk{}, &wire.QueuePurgeOk{}, &wire.QueueDeleteOk{})
		b.told("exchange.declare ok", "queue q, <nil>", "queue.bind ok", "queue.delete ok")
	})
}

func TestEveryNamedMethodIsSentAndAnswered(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	for _, test := range []struct {
		name  string
		err   error
		reply wire.Method
	}{
		{"exchange.delete", ch.ExchangeDelete(&wire.ExchangeDelete{}, reply[*wire.ExchangeDeleteOk](b, "exchange.delete")), &wire.ExchangeDeleteOk{}},
		{"exchange.bind", ch.ExchangeBind(&wire.ExchangeBind{}, reply[*wire.ExchangeBindOk](b, "exchange.bind")), &wire.ExchangeBindOk{}},
		{"exchange.unbind", ch.ExchangeUnbind(&wire.ExchangeUnbind{}, reply[*wire.ExchangeUnbindOk](b, "exchange.unbind")), &wire.ExchangeUnbindOk{}},
		{"queue.unbind", ch.QueueUnbind(&wire.QueueUnbind{}, reply[*wire.QueueUnbindOk](b, "queue.unbind")), &wire.QueueUnbindOk{}},
		{"basic.qos", ch.Qos(&wire.BasicQos{}, reply[*wire.BasicQosOk](b, "basic.qos")), &wire.BasicQosOk{}},
		{"basic.recover", ch.Recover(&wire.BasicRecover{}, reply[*wire.BasicRecoverOk](b, "basic.recover")), &wire.BasicRecoverOk{}},
		{"tx.select", ch.TxSelect(&wire.TxSelect{}, reply[*wire.TxSelectOk](b, "tx.select")), &wire.TxSelectOk{}},
		{"tx.commit", ch.TxCommit(&wire.TxCommit{}, reply[*wire.TxCommitOk](b, "tx.commit")), &wire.TxCommitOk{}},
		{"tx.rollback", ch.TxRollback(&wire.TxRollback{}, reply[*wire.TxRollbackOk](b, "tx.rollback")), &wire.TxRollbackOk{}},
		{"channel.flow", ch.Flow(&wire.ChannelFlow{Active: true}, reply[*wire.ChannelFlowOk](b, "channel.flow")), &wire.ChannelFlowOk{}},
		{"confirm.select", ch.ConfirmSelect(&wire.ConfirmSelect{}, reply[*wire.ConfirmSelectOk](b, "confirm.select")), &wire.ConfirmSelectOk{}},
	} {
		ok(t, test.err)
		if got := b.received(); len(got) > 0 && got[0] != "1 "+test.name {
			t.Errorf("first sent %v", got)
		}
		b.method(1, test.reply)
		b.told(test.name + " ok")
	}
}

func TestReplyThatDoesNotMatchEndsTheConnection(t *testing.T) {
	for name, replies := range map[string][]any{
		"of another request": {&wire.QueueBindOk{}},
		"to nothing":         {&wire.QueueDeclareOk{}, &wire.QueueDeclareOk{}},
		"empty get":          {&wire.BasicGetEmpty{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := opened(t, core.ClientConfig{})
			ch := b.channel()
			ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, nil))
			b.received()
			b.method(1, replies...)
			b.sent("0 connection.close 505")
			if !errors.Is(b.c.Err(), wire.UnexpectedFrame) {
				t.Errorf("ended with %v", b.c.Err())
			}
		})
	}
}

func TestNoWaitRequestsHaveNoReply(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	for _, err := range []error{
		core.Call(ch, &wire.ExchangeDeclare{NoWait: true}, nil), core.Call(ch, &wire.ExchangeDelete{NoWait: true}, nil),
		core.Call(ch, &wire.ExchangeBind{NoWait: true}, nil), core.Call(ch, &wire.ExchangeUnbind{NoWait: true}, nil),
		core.Call(ch, &wire.QueueDeclare{NoWait: true}, nil), core.Call(ch, &wire.QueueBind{NoWait: true}, nil),
		core.Call(ch, &wire.QueuePurge{NoWait: true}, nil), core.Call(ch, &wire.QueueDelete{NoWait: true}, nil),
		core.Call(ch, &wire.ConfirmSelect{NoWait: true}, nil), ch.Cancel(&wire.BasicCancel{NoWait: true}, nil),
		ch.Consume(&wire.BasicConsume{ConsumerTag: "c", NoWait: true}, b.deliver, nil),
		ch.Qos(&wire.BasicQos{}, reply[*wire.BasicQosOk](b, "qos")),
	} {
		ok(t, err)
	}
	b.received()
	b.method(1, &wire.BasicQosOk{}, &wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 1}, "x")
	b.told("qos ok", `delivery 1 to c: "x"`)
}

// misuse is a call that must change nothing.
func TestMisuseIsAnErrorAndChangesNothing(t *testing.T) {
	b := opened(t, core.ClientConfig{FrameMax: 4096})
	ch := b.channel()
	b.consume(ch, "taken")
	long := strings.Repeat("x", 256)
	self := wire.Table{}
	self["self"] = self
	publish := func(p core.Publishing) error { _, err := ch.Publish(&p); return err }
	raw, err := (&wire.Properties{AppID: "a"}).Encode()
	ok(t, err)
	for name, err := range map[string]error{
		"nil request":                 ch.QueueDeclare(nil, nil),
		"nil publishing":              func() error { _, err := ch.Publish(nil); return err }(),
		"nil consumer":                ch.Consume(nil, b.deliver, nil),
		"nil get":                     ch.Get(nil, func(*core.Delivery, error) {}),
		"queue name too long":         ch.QueueDeclare(&wire.QueueDeclare{Queue: long}, nil),
		"func in a table":             ch.QueueDeclare(&wire.QueueDeclare{Arguments: wire.Table{"f": func() {}}}, nil),
		"cyclic table":                ch.QueueDeclare(&wire.QueueDeclare{Arguments: self}, nil),
		"arguments over frame-max":    ch.QueueDeclare(&wire.QueueDeclare{Arguments: wire.Table{"a": strings.Repeat("x", 5000)}}, nil),
		"callback with NoWait":        ch.QueueDeclare(&wire.QueueDeclare{NoWait: true}, func(*wire.QueueDeclareOk, error) {}),
		"consumer without a callback": ch.Consume(&wire.BasicConsume{}, nil, nil),
		"consumer tag in use":         ch.Consume(&wire.BasicConsume{ConsumerTag: "taken"}, b.deliver, nil),
		"consumer that nobody names":  ch.Consume(&wire.BasicConsume{NoWait: true}, b.deliver, nil),
		"consumer by Call":            core.Call(ch, &wire.BasicConsume{}, nil),
		"close by Call":               core.Call(ch, &wire.ChannelClose{}, nil),
		"connection method":           core.Call(ch, &wire.ConnectionOpen{}, nil),
		"get without a callback":      ch.Get(&wire.BasicGet{}, nil),
		"ack of nothing":              ch.Ack(0, false),
		"routing key too long":        publish(core.Publishing{RoutingKey: long}),
		"exchange too long":           publish(core.Publishing{Exchange: long}),
		"func in the headers":         publish(core.Publishing{Properties: &wire.Properties{Headers: wire.Table{"f": func() {}}}}),
		"header key too long":         publish(core.Publishing{Properties: &wire.Properties{Headers: wire.Table{long: 1}}}),
		"headers over frame-max":      publish(core.Publishing{Properties: &wire.Properties{Headers: wire.Table{"a": strings.Repeat("x", 5000)}}}),
		"properties twice":            publish(core.Publishing{Properties: &wire.Properties{}, RawProperties: raw}),
		"broken raw properties":       publish(core.Publishing{RawProperties: raw[:3]}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	b.sent()
	b.told()
	ok(t, ch.QueueDeclare(&wire.QueueDeclare{}, reply[*wire.QueueDeclareOk](b, "declare")))
	b.method(1, &wire.QueueDeclareOk{})
	b.told("declare ok")
}
