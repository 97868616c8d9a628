package differential

import (
	"context"
	"net"
	"slices"
	"testing"

	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core"
)

// TestBroker plays the corpus against the embedded broker, which is meant to answer
// as RabbitMQ did, but for what the table of differences has.
func TestBroker(t *testing.T) {
	for _, s := range corpus(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			p := newPlayer(server{vhost: vhost, dial: func() (net.Conn, error) {
				return net.Dial("tcp", b.Addr().String())
			}}, false)
			want := meant(s, differences(t))
			played, err := p.play(want)
			if err != nil {
				t.Fatalf("%s: %v", s.file, err)
			}
			compare(t, s, want, played)
		})
	}
}

// vhost is the one of every broker.
const vhost = "differential"

// start starts a broker for one script, with the users that the node has.
func start(t *testing.T) *broker.Broker {
	t.Helper()
	all := []broker.User{broker.NewUser(stranger, stranger)}
	for _, u := range append(slices.Clone(users), user{"guest", ".*", ".*", ".*"}) {
		made := broker.NewUser(u.name, u.name)
		made.Permissions = map[string]broker.Permission{vhost: {Configure: u.configure, Write: u.write, Read: u.read}}
		all = append(all, made)
	}
	b, err := broker.Start(broker.WithProfile(broker.RabbitMQ3), broker.WithUsers(all...),
		broker.WithServer(func(c *core.ServerConfig) { c.HandshakeTimeout = *bound }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}
