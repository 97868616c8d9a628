package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/test/rabbitmq"
)

func TestMain(m *testing.M) { rabbitmq.Main(m) }

// bound is generous: nothing here should ever take so long.
const bound = 2 * time.Minute

// One cluster for all tests, since starting one takes longer than any of them.
func TestClientsGoOnAtAnotherNode(t *testing.T) {
	nodes := rabbitmq.StartCluster(t, 3)
	t.Run("when theirs is drained", func(t *testing.T) { drained(t, nodes) })
	t.Run("when theirs is killed, and nothing confirmed is lost", func(t *testing.T) { killed(t, nodes) })
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

// client is a connection to a cluster, with what it told of its recovery.
type client struct {
	*blocking.Conn
	lost      chan error
	recovered chan struct{}
}

// dial connects to the first node, or to the next ones when that is gone.
func dial(t *testing.T, nodes []*rabbitmq.Node) *client {
	t.Helper()
	var hosts []string
	for _, n := range nodes {
		hosts = append(hosts, n.Addr())
	}
	uri := url.URL{Scheme: "amqp", User: url.UserPassword(rabbitmq.User, rabbitmq.User), Host: strings.Join(hosts, ","), Path: "/"}
	c := &client{lost: make(chan error, 10), recovered: make(chan struct{}, 10)}
	conn, err := blocking.Dial(testContext(t), uri.String(),
		blocking.WithParams(func(p *blocking.Params) { p.RetryDelay, p.MaxRetryDelay = 200*time.Millisecond, time.Second }),
		blocking.WithEvents(func(e blocking.Event) {
			switch e := e.(type) {
			case blocking.Lost:
				c.lost <- e.Err
			case blocking.Recovered:
				c.recovered <- struct{}{}
			case blocking.EntityFailed, blocking.ChannelFailed, blocking.RecoveryFailed:
				t.Errorf("told %T: %v", e, e)
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(testContext(t)); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	c.Conn = conn
	c.isAt(t, nodes[0])
	return c
}

func (c *client) channel(t *testing.T) *blocking.Channel {
	t.Helper()
	ch, err := c.Channel(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// isAt fails the test unless the client is connected to the node.
func (c *client) isAt(t *testing.T, n *rabbitmq.Node) {
	t.Helper()
	if at := c.RemoteAddr().String(); at != n.Addr() {
		t.Errorf("the client is at %s, not at %s, which is %s", at, n.Addr(), n.Name)
	}
}

// quorumQueue declares a queue that a majority of the nodes keeps.
func (c *client) quorumQueue(t *testing.T) string {
	t.Helper()
	ok, err := c.channel(t).QueueDeclare(testContext(t), &blocking.QueueDeclare{
		Queue: t.Name(), Durable: true, Arguments: blocking.Table{"x-queue-type": "quorum"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ok.Queue
}

// publisher publishes on a channel of its own.
type publisher struct {
	t  *testing.T
	c  *client
	ch *blocking.Channel
}

func (c *client) publisher(t *testing.T) *publisher { return &publisher{t, c, c.channel(t)} }

// publish publishes a numbered message until it is confirmed.
func (p *publisher) publish(queue string, id int) bool {
	for {
		err := p.ch.PublishConfirm(testContext(p.t), &blocking.Publishing{
			RoutingKey: queue, Mandatory: true, Body: binary.BigEndian.AppendUint32(nil, uint32(id)),
			Properties: &blocking.Properties{DeliveryMode: blocking.Persistent},
		})
		if err == nil {
			return true
		}
		if errors.Is(err, blocking.ErrNacked) {
			err = p.changeChannel()
		}
		if err != nil && !errors.Is(err, blocking.ErrUnknownOutcome) {
			p.t.Errorf("message %d: %v", id, err)
			return false
		}
	}
}

// changeChannel takes another channel, after a while: a quorum queue refuses
// messages while it has no leader, and RabbitMQ 3.10 goes on to do so on channels
// whose first message came then.
func (p *publisher) changeChannel() error {
	time.Sleep(100 * time.Millisecond)
	ctx := testContext(p.t)
	if err := p.ch.Close(ctx); err != nil {
		return err
	}
	ch, err := p.c.Channel(ctx)
	if err == nil {
		p.ch = ch
	}
	return err
}

// takeAll consumes until each of so many numbered messages has come.
func takeAll(t *testing.T, ch *blocking.Channel, queue string, total int) {
	seen := make(map[uint32]bool)
	for d, err := range ch.Consume(testContext(t), &blocking.Consume{Queue: queue}) {
		if err != nil {
			t.Errorf("the loop ended after %d of %d messages: %v", len(seen), total, err)
			return
		}
		seen[binary.BigEndian.Uint32(d.Body)] = true
		if err := d.Ack(); err != nil && !errors.Is(err, blocking.ErrStaleDelivery) {
			t.Errorf("ack: %v", err)
		}
		if len(seen) == total {
			return
		}
	}
}

func drained(t *testing.T, nodes []*rabbitmq.Node) {
	ctx := testContext(t)
	c := dial(t, nodes)
	q := c.quorumQueue(t)
	var consuming sync.WaitGroup
	ch := c.channel(t)
	consuming.Go(func() { takeAll(t, ch, q, 2) })
	p := c.publisher(t)
	p.publish(q, 0)
	// What rabbitmq-upgrade drain does, and revive afterwards.
	if _, err := nodes[0].Eval(ctx, "rabbit_maintenance:drain()."); err != nil {
		t.Fatal(err)
	}
	if err := <-c.lost; !errors.Is(err, blocking.ConnectionForced) {
		t.Errorf("lost for %v", err)
	}
	<-c.recovered
	c.isAt(t, nodes[1])
	p.publish(q, 1)
	consuming.Wait()
	if _, err := nodes[0].Eval(ctx, "rabbit_maintenance:revive()."); err != nil {
		t.Fatal(err)
	}
}

func killed(t *testing.T, nodes []*rabbitmq.Node) {
	const (
		total      = 5000
		publishers = 32
	)
	out, in := dial(t, nodes), dial(t, nodes)
	q := out.quorumQueue(t)
	var confirmed atomic.Int32
	half := make(chan struct{})
	var working sync.WaitGroup
	for who := range publishers {
		p := out.publisher(t)
		working.Go(func() {
			for id := who; id < total && p.publish(q, id); id += publishers {
				if confirmed.Add(1) == total/2 {
					close(half)
				}
			}
		})
	}
	ch := in.channel(t)
	working.Go(func() { takeAll(t, ch, q, total) })
	<-half
	if err := nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{out, in} {
		if err := <-c.lost; !errors.As(err, new(*blocking.TransportError)) {
			t.Errorf("lost for %v", err)
		}
		<-c.recovered
	}
	working.Wait()
	for _, c := range []*client{out, in} {
		if at := c.RemoteAddr().String(); at == nodes[0].Addr() {
			t.Errorf("the client is at %s, which is dead", at)
		}
		if n := len(c.lost); n > 0 {
			t.Errorf("%d more losses were told", n)
		}
	}
	if err := nodes[0].Restart(); err != nil {
		t.Fatal(err)
	}
	dial(t, nodes) // which finds the first one back
}
