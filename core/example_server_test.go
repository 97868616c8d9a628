package core_test

import (
	"fmt"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/coretest"
	"github.com/haypile/haypile/core/wire"
)

// door lets in those who know the word.
type door struct{ core.NopServer }

func (door) OnAuth(c *core.Conn, mechanism string, response wire.Secret) {
	user, password, err := core.ParsePlain(response)
	if err != nil || password.Reveal() != "guest" {
		c.Refuse(wire.AccessRefused, "ACCESS_REFUSED - wrong password")
		return
	}
	fmt.Println("welcome,", user)
	c.Accept()
}

func (door) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler { return &room{} }

// room answers one method and counts what is published.
type room struct {
	core.NopServerChannel
	messages uint32
}

func (r *room) OnMethod(ch *core.Channel, m wire.Method) {
	switch q := m.(type) {
	case *wire.QueueDeclare:
		ch.Send(&wire.QueueDeclareOk{Queue: q.Queue, MessageCount: r.messages})
	default:
		r.NopServerChannel.OnMethod(ch, m) // refuses
	}
}

func (r *room) OnPublish(_ *core.Channel, p *core.Published) {
	fmt.Printf("%s: %s\n", p.RoutingKey, p.Body)
	r.messages++
}

// A server needs to decide who may come in and to answer what is asked. Here a
// client of the same package talks to it, over a network in memory.
func ExampleNewServer() {
	server, err := core.NewServer(core.ServerConfig{Mechanisms: []string{"PLAIN"}}, door{})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := core.NewClient(core.ClientConfig{}, greeter{})
	if err != nil {
		fmt.Println(err)
		return
	}
	pair, err := coretest.NewPair(client, server)
	if err != nil {
		fmt.Println(err)
		return
	}
	pair.Settle()
	// Output:
	// welcome, guest
	// greetings: hello
	// queue greetings has 0 messages
}
