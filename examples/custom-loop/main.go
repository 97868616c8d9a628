// Custom-loop drives core.Conn from a loop that it has anyway: a game's, which
// turns sixty times a second, never waits for the network, and needs no goroutine
// but main's. Between two pictures it feeds the connection what has come, lets the
// world move, and sends what there is to send.
//
// The game: a lander falls. It publishes its flight data; a pilot, who might be
// far away, consumes them and publishes when to fire the engine.
//
//	go run ./examples/custom-loop
package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/examples/internal/demo"
)

const framesPerSecond = 60

func main() { demo.Main(run) }

func run(ctx context.Context, uri string) error {
	g := &game{height: 6}
	l, err := connect(ctx, uri, g)
	if err != nil {
		return err
	}
	defer l.socket.Close()
	if err := l.amqp.Start(time.Now()); err != nil {
		return err
	}
	frames := time.NewTicker(time.Second / framesPerSecond)
	defer frames.Stop()
	for !l.amqp.Finished() { // the game is over when the connection is closed in good order
		<-frames.C
		l.receive()
		g.frame()
		l.send()
	}
	return errors.Join(g.err, l.amqp.Err())
}

// connect dials, which may wait: the game has not begun.
func connect(ctx context.Context, uri string, h core.ClientHandler) (*link, error) {
	cfg, err := demo.Config(uri)
	if err != nil {
		return nil, err
	}
	c, err := core.NewClient(cfg, h)
	if err != nil {
		return nil, err
	}
	socket, err := new(net.Dialer).DialContext(ctx, "tcp", cfg.Host)
	if err != nil {
		return nil, err
	}
	return &link{amqp: c, socket: socket, input: make([]byte, 64<<10)}, nil
}
