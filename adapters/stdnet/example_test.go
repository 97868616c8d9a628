package stdnet_test

import (
	"fmt"
	"net"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/stdnet"
)

// echo sends back what it gets.
type echo struct{ t adapters.Transport }

func (e *echo) OnOpen(t adapters.Transport, _ time.Time) { e.t = t }
func (e *echo) OnData(p []byte, _ time.Time)             { e.t.Write([][]byte{p}) }
func (e *echo) OnWake(time.Time)                         {}
func (e *echo) OnClose(err error, _ time.Time)           {}

func Example() {
	loop := stdnet.New()
	ours, peer := net.Pipe()
	if err := loop.Attach(ours, &echo{}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(peer, "hello")
	answer := make([]byte, 5)
	peer.Read(answer)
	fmt.Printf("%s\n", answer)
	loop.Close()
	<-loop.Done()
	// Output: hello
}
