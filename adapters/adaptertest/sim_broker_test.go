package adaptertest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// mistake is the name of a queue whose declaration has its channel closed.
const mistake = "mistake"

// address is where brokers of tests listen.
const address = "rabbit:5672"

// serveOn runs a broker on the Sim: what is published comes to every consumer of
// the connection, and is confirmed.
func serveOn(t *testing.T, sim *adaptertest.Sim, address string) *driver.Server {
	t.Helper()
	return serveBy(t, sim, address, func() core.ServerHandler { return &shop{} })
}

// serveBy is serveOn with a handler of the test's for each connection.
func serveBy(t *testing.T, sim *adaptertest.Sim, address string, open func() core.ServerHandler) *driver.Server {
	t.Helper()
	server := driver.Serve(sim, listen(t, sim, address), driver.ServeOptions{
		NewHandler: func(*driver.Conn) core.ServerHandler { return open() },
	})
	t.Cleanup(func() {
		server.Abort()
		<-server.Done()
	})
	return server
}

type shop struct {
	core.NopServer
	channels  int // that are open
	consumers []*shopper
}

func (*shop) OnAuth(c *core.Conn, _ string, _ wire.Secret) { c.Accept() }

func (s *shop) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler {
	s.channels++
	return &counter{shop: s}
}

// shopper is a consumer.
type shopper struct {
	ch  *core.Channel
	at  *counter
	tag string
}

// counter is a channel.
type counter struct {
	core.NopServerChannel
	shop      *shop
	started   int    // consumers
	delivered uint64 // messages
}

func (k *counter) OnMethod(ch *core.Channel, m wire.Method) {
	switch m := m.(type) {
	case *wire.QueueDeclare:
		if m.Queue == mistake {
			ch.Fail(wire.NotFound, "NOT_FOUND", m.ID())
			return
		}
		ch.Send(&wire.QueueDeclareOk{Queue: m.Queue})
	case *wire.BasicQos:
		ch.Send(&wire.BasicQosOk{})
	case *wire.ConfirmSelect:
		ch.Send(&wire.ConfirmSelectOk{})
	case *wire.BasicGet:
		ch.Send(&wire.BasicGetEmpty{})
	case *wire.BasicCancel:
		k.leave(func(s *shopper) bool { return s.tag == m.ConsumerTag })
		ch.Send(&wire.BasicCancelOk{ConsumerTag: m.ConsumerTag})
	case *wire.BasicConsume:
		k.started++
		s := &shopper{ch: ch, at: k, tag: fmt.Sprint("c", k.started)}
		ch.Send(&wire.BasicConsumeOk{ConsumerTag: s.tag})
		k.shop.consumers = append(k.shop.consumers, s)
	}
}

func (k *counter) leave(which func(*shopper) bool) {
	k.shop.consumers = slices.DeleteFunc(k.shop.consumers, func(s *shopper) bool { return s.at == k && which(s) })
}

func (k *counter) OnClose(*core.Channel, error) {
	k.shop.channels--
	k.leave(func(*shopper) bool { return true })
}

func (k *counter) OnPublish(ch *core.Channel, p *core.Published) {
	for _, to := range k.shop.consumers {
		to.at.delivered++
		to.ch.Deliver(&wire.BasicDeliver{ConsumerTag: to.tag, DeliveryTag: to.at.delivered, RoutingKey: p.RoutingKey},
			&core.Content{RawProperties: p.Properties, Body: p.Body})
	}
	if p.Seq > 0 {
		ch.Send(&wire.BasicAck{DeliveryTag: p.Seq})
	}
}

// params are for the addresses, through the Sim's network.
func params(t *testing.T, sim *adaptertest.Sim, addresses string) driver.Params {
	t.Helper()
	p, err := driver.ParseURI("amqp://" + addresses)
	if err != nil {
		t.Fatal(err)
	}
	p.DialContext = sim.DialContext
	return p
}

// dialBlocking is a client on the Sim, with a channel.
func dialBlocking(ctx context.Context, t *testing.T, sim *adaptertest.Sim, opts ...blocking.Option) (*blocking.Conn, *blocking.Channel) {
	t.Helper()
	conn, err := blocking.DialParams(ctx, params(t, sim, address), append([]blocking.Option{blocking.WithRecovery(nil), blocking.WithLoop(sim)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return conn, ch
}
