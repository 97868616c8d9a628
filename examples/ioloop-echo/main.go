//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

// Ioloop-echo serves an echo protocol on raw file descriptors with package
// ioloop, without any AMQP: one loop accepts, reads and writes, until a client
// that talks to it has left, or a timer ends it all.
//
//	go run ./examples/ioloop-echo
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"github.com/haypile/haypile/ioloop"
)

func main() {
	log.SetFlags(0)
	flag.Parse() // there is none but -help
	if flag.NArg() > 0 {
		log.Fatalf("%q is no flag; see -help", flag.Arg(0))
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	loop, err := ioloop.New()
	if err != nil {
		return err
	}
	defer loop.Close()
	fd, port, err := listen()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	s := &server{loop: loop, clients: map[int]*client{}}
	if err := loop.AddHandler(fd, ioloop.Read, s.accept); err != nil {
		return err
	}
	defer s.close()
	go func() {
		if err := talk(port); err != nil {
			// An error says that the loop is closed, and nobody waits any more.
			_ = loop.AddCallbackThreadsafe(func() { s.stop(err) })
		}
	}()
	loop.CallLater(10*time.Second, func() { s.stop(errors.New("that takes too long")) })
	err = loop.Start()
	return errors.Join(err, s.err)
}

// listen is a socket on a free port of the loopback interface.
func listen() (fd, port int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return 0, 0, err
	}
	unix.CloseOnExec(fd)
	err = errors.Join(
		unix.SetNonblock(fd, true),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
		unix.Listen(fd, 16),
	)
	if err != nil {
		unix.Close(fd)
		return 0, 0, err
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		unix.Close(fd)
		return 0, 0, err
	}
	return fd, addr.(*unix.SockaddrInet4).Port, nil
}

// server accepts. All its methods run on the loop.
type server struct {
	loop    *ioloop.Loop
	clients map[int]*client // by descriptor
	err     error
}

func (s *server) stop(err error) {
	s.err = errors.Join(s.err, err)
	s.loop.Stop()
}

// close closes what clients are left, after the loop.
func (s *server) close() {
	for fd := range s.clients {
		unix.Close(fd)
	}
}

func (s *server) accept(listener int, _ ioloop.Events) {
	fd, _, err := unix.Accept(listener)
	if err != nil {
		return // the loop asks again
	}
	unix.CloseOnExec(fd)
	c := &client{server: s}
	if err := errors.Join(unix.SetNonblock(fd, true), s.loop.AddHandler(fd, ioloop.Read, c.ready)); err != nil {
		unix.Close(fd)
		s.stop(err)
		return
	}
	s.clients[fd] = c
	fmt.Println("a client came")
}

// client is a connection: what was read and not yet sent back.
type client struct {
	server  *server
	pending []byte
}

func (c *client) ready(fd int, events ioloop.Events) {
	if events&ioloop.Read != 0 {
		var buf [4096]byte
		n, err := unix.Read(fd, buf[:])
		if n <= 0 && err != unix.EAGAIN {
			c.leave(fd)
			return
		}
		c.pending = append(c.pending, buf[:max(n, 0)]...)
	}
	if n, err := unix.Write(fd, c.pending); err == nil {
		c.pending = c.pending[n:]
	} else if err != unix.EAGAIN {
		c.leave(fd)
		return
	}
	// What the kernel did not take is sent when it takes more; until then
	// nothing is read, so that a client that does not read fills no memory.
	interest := ioloop.Read
	if len(c.pending) > 0 {
		interest = ioloop.Write
	}
	if err := c.server.loop.UpdateHandler(fd, interest); err != nil {
		c.leave(fd)
	}
}

func (c *client) leave(fd int) {
	s := c.server
	err := s.loop.RemoveHandler(fd)
	delete(s.clients, fd)
	unix.Close(fd)
	fmt.Println("the client left")
	s.stop(err) // it was the only one
}

// talk is a client, in a goroutine of its own.
func talk(port int) error {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewScanner(conn)
	for _, line := range []string{"hello", "is anybody there?", "good bye"} {
		if _, err := fmt.Fprintln(conn, line); err != nil {
			return err
		}
		if !answers.Scan() {
			return answers.Err()
		}
		fmt.Printf("sent %q, got %q\n", line, answers.Text())
	}
	return nil
}
