package blocking

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/haypile/haypile/core/wire"
)

// answers are the broker's to requests that have something in them.
func answerTo(req any) any {
	if m, ok := req.(*wire.QueueDeclare); ok {
		return &wire.QueueDeclareOk{Queue: m.Queue}
	}
	return nil
}

func (r *record) String() string {
	var names []string
	for _, e := range r.all {
		if e.Kind == EntityBinding {
			names = append(names, fmt.Sprintf("%s>%s", e.Source, e.Name))
		} else {
			names = append(names, e.Name)
		}
	}
	return strings.Join(names, " ")
}

func TestWhatIsMadeAgain(t *testing.T) {
	type requests []any
	topology := requests{
		&wire.ExchangeDeclare{Exchange: "e"},
		&wire.ExchangeDeclare{Exchange: "auto", AutoDelete: true},
		&wire.QueueDeclare{Queue: "q"},
		&wire.QueueBind{Queue: "q", Exchange: "auto", RoutingKey: "a"},
		&wire.QueueBind{Queue: "q", Exchange: "auto", RoutingKey: "b"},
		&wire.ExchangeBind{Source: "e", Destination: "auto"},
	}
	for name, test := range map[string]struct {
		then requests
		want string
	}{
		"everything, in order":                        {nil, "e auto q auto>q auto>q e>auto"},
		"nothing twice":                               {requests{&wire.QueueDeclare{Queue: "q"}, &wire.ExchangeDeclare{Exchange: "e"}, topology[3]}, "e auto q auto>q auto>q e>auto"},
		"bindings with other arguments beside others": {requests{&wire.QueueBind{Queue: "q", Exchange: "e", Arguments: wire.Table{"x": "1"}}, &wire.QueueBind{Queue: "q", Exchange: "e", Arguments: wire.Table{"x": "2"}}}, "e auto q auto>q auto>q e>auto e>q e>q"},
		"nothing passive":                             {requests{&wire.QueueDeclare{Queue: "p", Passive: true}, &wire.ExchangeDeclare{Exchange: "p", Passive: true}}, "e auto q auto>q auto>q e>auto"},
		"no deleted exchange, nor its bindings":       {requests{&wire.ExchangeDelete{Exchange: "e"}}, "auto q auto>q auto>q"},
		"no binding that was removed":                 {requests{&wire.QueueUnbind{Queue: "q", Exchange: "auto", RoutingKey: "a"}}, "e auto q auto>q e>auto"},
		"no exchange that its last unbind deleted":    {requests{&wire.QueueUnbind{Queue: "q", Exchange: "auto", RoutingKey: "a"}, &wire.QueueUnbind{Queue: "q", Exchange: "auto", RoutingKey: "b"}}, "e q"},
		"no deleted queue, nor what went with it":     {requests{&wire.QueueDelete{Queue: "q"}}, "e"},
		"an exchange and a queue of one name, apart":  {requests{&wire.QueueDeclare{Queue: "e"}, &wire.QueueDelete{Queue: "e"}}, "e auto q auto>q auto>q e>auto"},
		"the queue declared last, for an empty name":  {requests{&wire.QueueBind{Exchange: "e"}}, "e auto q auto>q auto>q e>auto e>q"},
	} {
		t.Run(name, func(t *testing.T) {
			ch := newChannel(&Conn{})
			for _, req := range append(topology[:len(topology):len(topology)], test.then...) {
				req = ch.resolved(req)
				ch.note(req, answerTo(req))
			}
			if got := ch.conn.turn.record.String(); got != test.want {
				t.Errorf("recorded: %s\nwant:     %s", got, test.want)
			}
		})
	}
}

func TestAutoDeleteQueuesGoWithTheirLastConsumer(t *testing.T) {
	c := &Conn{}
	ch := newChannel(c)
	c.channels = []*Channel{ch}
	ch.note(&wire.QueueDeclare{Queue: "q", AutoDelete: true}, &wire.QueueDeclareOk{Queue: "q"})
	ch.note(&wire.QueueBind{Queue: "q", Exchange: "e"}, nil)
	var all []*consumer
	for range 2 {
		all = append(all, &consumer{ch: ch, request: &wire.BasicConsume{Queue: "q"}})
	}
	ch.consumers = slices.Clone(all)
	all[0].remove()
	all[0].forgetQueue()
	if got := c.turn.record.String(); got != "q e>q" {
		t.Errorf("with a consumer left: %s", got)
	}
	all[1].remove()
	all[1].forgetQueue()
	if got := c.turn.record.String(); got != "" {
		t.Errorf("without consumers: %s", got)
	}
}

func TestATransactionIsLostWithAnAckThatWasNotSent(t *testing.T) {
	ch := newChannel(&Conn{})
	ch.tx.selected = true
	ack := op{kind: opAck, ch: ch, epoch: ch.epoch.Load(), tag: 1}
	ch.suspend(nil) // while the ack was queued
	ch.runSettle(&ack)
	if !ch.tx.end() {
		t.Error("the transaction can be committed without it")
	}
	if ch.tx.end() {
		t.Error("the next one is lost, too")
	}
}
