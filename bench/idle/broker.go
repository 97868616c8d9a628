package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// runBroker lets clients in and has them consume nothing, until its standard input
// ends.
func runBroker() error {
	loop, err := gnet.New()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	driver.Serve(loop, ln, driver.ServeOptions{
		NewHandler: func(*driver.Conn) core.ServerHandler { return broker{} },
		OnError:    func(err error) { log.Print(err) },
	})
	fmt.Printf("amqp://%s/?heartbeat=10\n", ln.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

type broker struct{ core.NopServer }

func (broker) OnAuth(c *core.Conn, _ string, _ wire.Secret) { c.Accept() }

func (broker) OnChannel(*core.Conn, *core.Channel) core.ServerChannelHandler { return channel{} }

type channel struct{ core.NopServerChannel }

func (channel) OnMethod(ch *core.Channel, m wire.Method) {
	if m, ok := m.(*wire.BasicConsume); ok {
		if err := ch.Send(&wire.BasicConsumeOk{ConsumerTag: m.ConsumerTag}); err != nil {
			log.Print(err)
		}
	}
}
