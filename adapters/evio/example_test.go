//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package evio_test

import (
	"context"
	"fmt"
	"log"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/evio"
)

// A program's connections share a loop.
func ExampleNew() {
	loop, err := evio.New(evio.WithEventLoops(2))
	if err != nil {
		log.Fatal(err)
	}
	defer loop.Close()
	conn, err := blocking.Dial(context.Background(), "amqp://localhost:1", blocking.WithLoop(loop))
	if err != nil {
		fmt.Println("nobody there")
		return
	}
	defer conn.Close(context.Background())
	// Output: nobody there
}
