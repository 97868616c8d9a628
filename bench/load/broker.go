package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/bench/internal/files"
	"github.com/haypile/haypile/bench/internal/sink"
)

// partVariable tells this program which part of a measurement it is: what the
// broker needs done is no part of what the client costs.
const partVariable = "HAYPILE_BENCH_PART"

// errWhole is that the program is the measurement itself.
var errWhole = errors.New("no part")

// partly does the part that was asked for, and prints a line when it is done, or
// ready.
func partly(ctx context.Context, j *job) error {
	part := os.Getenv(partVariable)
	if part == "" {
		return errWhole
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	switch part {
	case "sink":
		return serveSink(j)
	case "prepare":
		return withChannel(ctx, j, func(conn *blocking.Conn, ch *blocking.Channel) error { return fill(ctx, j, conn, ch) })
	case "verify":
		return withChannel(ctx, j, func(_ *blocking.Conn, ch *blocking.Channel) error { return inspect(ctx, j, ch) })
	case "drop":
		return withChannel(ctx, j, func(_ *blocking.Conn, ch *blocking.Channel) error { return drop(ctx, j, ch) })
	default:
		return fmt.Errorf("no part %q", part)
	}
}

// startPart runs a part of the job, up to the line that it prints. A part ends with
// this process, whose end is that of its input.
func startPart(part string, j *job) (line string, cmd *exec.Cmd, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd = exec.Command(self, "-mode", j.mode, "-url", j.url, "-queue", j.queue, "-n", strconv.Itoa(j.n), "-size", strconv.Itoa(j.size), "-tls="+strconv.FormatBool(j.tls), "-timeout", j.timeout.String())
	cmd.Env = append(os.Environ(), partVariable+"="+part)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil { // it has said why
		cmd.Process.Kill()
		return "", nil, fmt.Errorf("%s: %w", part, cmp.Or(cmd.Wait(), err))
	}
	return strings.TrimSpace(line), cmd, nil
}

// startSink runs a sink until stop.
func startSink(j *job) (url string, stop func(), err error) {
	address, cmd, err := startPart("sink", j)
	if err != nil {
		return "", nil, err
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	scheme := "amqp"
	if j.tls {
		scheme = "amqps"
	}
	return fmt.Sprintf("%s://%s/%s", scheme, address, j.vhost), stop, nil
}

func serveSink(j *job) error {
	files.Raise()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	if j.tls {
		config, err := sink.SelfSigned()
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, config)
	}
	return sink.Serve(ln)
}

// prepare readies the broker, and finds out whether it is a sink.
func prepare(j *job) error {
	line, cmd, err := startPart("prepare", j)
	if err != nil {
		return err
	}
	j.sink = line == "sink"
	if !j.sink && !j.publishes() && (j.conns > 1 || j.consumers > 1) && j.mode != modeIdle {
		err = errors.New("only a sink has a queue for each of several consumers")
	}
	return errors.Join(err, cmd.Wait())
}

// verify looks at what the broker has left.
func verify(j *job) error { return leave(j, "verify") }

// leave has a part delete the queue, where the broker has one.
func leave(j *job, part string) error {
	if j.sink {
		return nil
	}
	_, cmd, err := startPart(part, j)
	if err != nil {
		return err
	}
	return cmd.Wait()
}

// withChannel runs fn with a connection to the broker.
func withChannel(ctx context.Context, j *job, fn func(*blocking.Conn, *blocking.Channel) error) error {
	params, err := haypileParams(j)
	if err != nil {
		return err
	}
	conn, err := blocking.DialParams(ctx, params)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	if err != nil {
		return err
	}
	return fn(conn, ch)
}

// fill makes the queue, empty, or with the messages that are to be consumed.
func fill(ctx context.Context, j *job, conn *blocking.Conn, ch *blocking.Channel) error {
	if conn.ServerProperties()["product"] == sink.Product {
		fmt.Println("sink")
		return nil
	}
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: j.queue, Durable: true}); err != nil {
		return err
	}
	if _, err := ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: j.queue}); err != nil {
		return err
	}
	if j.consumes() {
		p := &blocking.Publishing{RoutingKey: j.queue, Body: make([]byte, j.size)}
		if j.properties() {
			p.Properties = haypileProperties()
		}
		for range j.n {
			if err := ch.Publish(ctx, p); err != nil {
				return err
			}
		}
		if err := expect(ctx, j, ch, j.n); err != nil {
			return err
		}
	}
	fmt.Println("broker")
	return nil
}

// inspect finds all that was published, and nothing that was consumed, and deletes
// the queue.
func inspect(ctx context.Context, j *job, ch *blocking.Channel) error {
	want := 0
	if j.publishes() {
		want = j.n
	}
	err := expect(ctx, j, ch, want)
	return errors.Join(err, drop(ctx, j, ch))
}

func drop(ctx context.Context, j *job, ch *blocking.Channel) error {
	_, err := ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: j.queue})
	fmt.Println("done")
	return err
}

// patience is how long a broker may take to count.
const patience = 10 * time.Second

// expect waits until the queue has that many messages.
func expect(ctx context.Context, j *job, ch *blocking.Channel, want int) error {
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		reply, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: j.queue, Passive: true})
		if err != nil || int(reply.MessageCount) == want {
			return err
		}
		if time.Now().After(late) {
			return fmt.Errorf("the broker has %d messages, not %d", reply.MessageCount, want)
		}
	}
}
