package wirefault_test

import (
	"fmt"
	"io"
	"net"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/broker/wirefault"
)

// listener prints what it is given.
type listener struct{}

func (listener) OnOpen(adapters.Transport, time.Time) {}
func (listener) OnData(p []byte, _ time.Time)         { fmt.Printf("%s\n", p) }
func (listener) OnWake(time.Time)                     {}
func (listener) OnClose(err error, _ time.Time)       { fmt.Println("broken:", err != nil) }

func Example() {
	loop := wirefault.New(stdnet.New())
	loop.OnConnect(func(c *wirefault.Conn) {
		c.Corrupt(wirefault.In, 0, 0x20)
		c.Split(wirefault.In, 3)
		c.CutAfter(wirefault.In, 5)
	})
	ours, peer := net.Pipe()
	if err := loop.Attach(ours, listener{}); err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(peer, "hello world")
	io.ReadAll(peer) // to the cut
	loop.Close()
	<-loop.Done()
	// Output:
	// Hel
	// lo
	// broken: true
}
