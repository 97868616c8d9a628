package blocking_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// unsettled is a broker's account of deliveries: it refuses what RabbitMQ refuses.
type unsettled struct {
	t     *testing.T
	left  map[uint64]bool
	acks  int // methods
	acked []uint64
}

func (u *unsettled) settle(tag uint64, multiple bool) (settled []uint64) {
	if !u.left[tag] {
		u.t.Errorf("delivery %d is not there to be settled", tag)
	}
	for other := range u.left {
		if other == tag || multiple && other < tag {
			settled = append(settled, other)
			delete(u.left, other)
		}
	}
	return settled
}

// accounting has a broker deliver n messages and keep account.
func accounting(u *unsettled, n int, all chan<- struct{}) answer {
	return func(s *fakebroker.Session, m wire.Method, ch uint16, body []byte) {
		switch m := m.(type) {
		case *wire.BasicConsume:
			for tag := range uint64(n) {
				u.left[tag+1] = true
			}
			deliveries(n, nil)(s, m, ch, body)
		case *wire.BasicAck:
			u.acks++
			u.acked = append(u.acked, u.settle(m.DeliveryTag, m.Multiple)...)
		case *wire.BasicNack:
			u.settle(m.DeliveryTag, m.Multiple)
		case *wire.BasicQos:
			s.Send(ch, &wire.BasicQosOk{})
		case *wire.BasicCancel:
			s.Send(ch, &wire.BasicCancelOk{ConsumerTag: "c"})
		case *wire.QueueDeclare:
			s.Send(ch, &wire.QueueDeclareOk{})
			all <- struct{}{}
		}
	}
}

func TestMergedAcksSettleWhatWasAckedAndNothingElse(t *testing.T) {
	const n = 2000
	u := &unsettled{t: t, left: map[uint64]bool{}}
	all := make(chan struct{}, 1)
	conn, _ := connect(t, accounting(u, n, all))
	ch := open(t, conn, blocking.WithMergedAcks())
	var held []*blocking.Delivery
	want, got, kept := map[uint64]bool{}, 0, map[uint64]bool{}
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: "q", Prefetch: n}) {
		if err != nil {
			t.Fatal(err)
		}
		got++
		switch held = append(held, d); {
		case got == 900: // never settled
			kept[d.DeliveryTag] = true
			held = held[:len(held)-1]
		case got%10 == 0: // shuffled a little, as workers do
			rand.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
			for i, d := range held {
				if i == 3 && got%100 == 0 {
					d.Nack(false)
					continue
				}
				want[d.DeliveryTag] = true
				d.Ack()
			}
			held = nil
		}
		if got == n {
			break
		}
	}
	if _, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{}); err != nil {
		t.Fatal(err)
	}
	<-all
	if fmt.Sprint(u.left) != fmt.Sprint(kept) {
		t.Errorf("left unsettled: %d deliveries, want %v", len(u.left), kept)
	}
	for _, tag := range u.acked {
		if !want[tag] {
			t.Errorf("delivery %d was acked, by nobody", tag)
		}
	}
	if len(u.acked) != len(want) {
		t.Errorf("%d were acked, want %d", len(u.acked), len(want))
	}
}

func TestAcksOfABatchBecomeOne(t *testing.T) {
	const n = 1000
	u := &unsettled{t: t, left: map[uint64]bool{}}
	all := make(chan struct{}, 1)
	conn, _ := connect(t, accounting(u, n, all))
	ch := open(t, conn, blocking.WithMergedAcks())
	for batch, err := range ch.ConsumeBatches(testContext(t), &blocking.Consume{Queue: "q"}, n, bound) {
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range batch {
			if err := d.Ack(); err != nil {
				t.Error(err)
			}
		}
		break
	}
	if _, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{}); err != nil {
		t.Fatal(err)
	}
	<-all
	if len(u.left) > 0 || len(u.acked) != n || u.acks > n/2 {
		t.Errorf("%d of %d were acked by %d methods", len(u.acked), n, u.acks)
	}
	if err := ch.TxSelect(testContext(t)); err == nil {
		t.Error("transactions and merged acks go together")
	}
}

func TestMergedAcksReachPastDeliveriesThatNeedNone(t *testing.T) {
	acks := make(chan string, 10)
	conn, _ := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, _ []byte) {
		switch m := m.(type) {
		case *wire.BasicGet:
			s.Send(n, &wire.BasicGetOk{DeliveryTag: map[bool]uint64{true: 1, false: 2}[m.NoAck]}, "body")
		case *wire.BasicAck:
			acks <- fmt.Sprint(m.DeliveryTag, " ", m.Multiple)
		}
	})
	ch := open(t, conn, blocking.WithMergedAcks())
	for _, noAck := range []bool{true, false} {
		d, err := ch.Get(testContext(t), &blocking.Get{NoAck: noAck})
		if err != nil {
			t.Fatal(err)
		}
		if !noAck {
			d.Ack()
		}
	}
	if got := <-acks; got != "2 false" {
		t.Errorf("ack of %s", got)
	}
}

func TestMergedAcksBeginAnewAfterALoss(t *testing.T) {
	const n, more = 6, 300
	all := make(chan struct{}, 1)
	accounts := [2]*unsettled{{t: t, left: map[uint64]bool{}}, {t: t, left: map[uint64]bool{}}}
	r := connectRestarting(t, func(c int) answer { return accounting(accounts[c], n+c*more, all) })
	ch := open(t, r.conn, blocking.WithMergedAcks())
	ctx := testContext(t)
	declare := func() {
		t.Helper()
		if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "q"}); err != nil {
			t.Fatal(err)
		}
		<-all
	}
	got := 0
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "q", Prefetch: 1000}) {
		if err != nil {
			t.Fatal(err)
		}
		if got++; got != n+3 {
			d.Ack()
		}
		switch got {
		case n: // all of the first connection
			declare()
			r.lose(t)
		case 2 * n: // as many of the second, before more are acked
			declare()
		}
		if got == 2*n+more {
			break
		}
	}
	declare()
	if left := fmt.Sprint(accounts[0].left, accounts[1].left); left != "map[] map[3:true]" {
		t.Errorf("left unsettled: %s", left)
	}
}
