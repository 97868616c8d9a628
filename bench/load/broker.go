package main

import (
	"bufio"
	"bytes"
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
	"github.com/haypile/haypile/bench/internal/body"
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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	switch part {
	case "sink":
		context.AfterFunc(ctx, func() { os.Exit(1) })
		return serveSink(j)
	case "prepare":
		return withChannel(ctx, j, func(conn *blocking.Conn, ch *blocking.Channel) error { return fill(ctx, j, conn, ch) })
	case "verify":
		return withChannel(ctx, j, func(conn *blocking.Conn, ch *blocking.Channel) error {
			defer fmt.Println("done")
			return errors.Join(inspect(ctx, j, ch), drop(ctx, j, conn))
		})
	case "drop":
		return withChannel(ctx, j, func(conn *blocking.Conn, _ *blocking.Channel) error {
			defer fmt.Println("done")
			return drop(ctx, j, conn)
		})
	default:
		return fmt.Errorf("no part %q", part)
	}
}

// startPart runs a part of the job, up to the line that it prints. A part ends with
// this process, whose end is that of its input, which ends with ctx before that line.
func startPart(ctx context.Context, part string, j *job) (line string, cmd *exec.Cmd, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd = exec.Command(self, "-mode", j.mode, "-url", j.url, "-queue", j.queue, "-n", strconv.Itoa(j.n), "-size", strconv.Itoa(j.size), "-tls="+strconv.FormatBool(j.tls), "-timeout", j.timeout.String())
	cmd.Env = append(os.Environ(), partVariable+"="+part)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	defer context.AfterFunc(ctx, func() { in.Close() })()
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil { // it has said why, and is about to end
		return "", nil, fmt.Errorf("%s: %w", part, cmp.Or(cmd.Wait(), err))
	}
	return strings.TrimSpace(line), cmd, nil
}

// startSink runs a sink until stop.
func startSink(ctx context.Context, j *job) (url string, stop func(), err error) {
	address, cmd, err := startPart(ctx, "sink", j)
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
func prepare(ctx context.Context, j *job) error {
	line, cmd, err := startPart(ctx, "prepare", j)
	if err != nil {
		return err
	}
	j.sink = line == "sink"
	if !j.sink && !j.publishes() && (j.conns > 1 || j.consumers > 1) && j.mode != modeIdle {
		err = errors.New("only a sink has a queue for each of several consumers")
	}
	return errors.Join(err, cmd.Wait())
}

// leave has a part delete the queue, where the broker has one.
func leave(ctx context.Context, j *job, part string) error {
	if j.sink {
		return nil
	}
	_, cmd, err := startPart(ctx, part, j)
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

// fill makes the queue, empty, or with the messages that are to be consumed. It
// leaves none where it fails.
func fill(ctx context.Context, j *job, conn *blocking.Conn, ch *blocking.Channel) (err error) {
	if conn.ServerProperties()["product"] == sink.Product {
		fmt.Println("sink")
		return nil
	}
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: j.queue, Durable: true}); err != nil {
		if ctx.Err() != nil { // the broker may make it all the same
			err = errors.Join(err, remove(ctx, j, ch))
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, drop(ctx, j, conn))
		}
	}()
	if _, err := ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: j.queue}); err != nil {
		return err
	}
	if j.consumes() {
		if err := publishAll(ctx, j, ch); err != nil {
			return err
		}
	}
	fmt.Println("broker")
	return nil
}

// publishAll fills the queue.
func publishAll(ctx context.Context, j *job, ch *blocking.Channel) error {
	p := &blocking.Publishing{RoutingKey: j.queue, Body: body.New(j.size)}
	if j.properties() {
		p.Properties = haypileProperties()
	}
	for i := range j.n {
		body.Number(p.Body, uint64(i+1))
		if err := ch.Publish(ctx, p); err != nil {
			return err
		}
	}
	return expect(ctx, j, ch, j.n)
}

// inspect finds all that was published, the first of it with its body, and nothing
// that was consumed.
func inspect(ctx context.Context, j *job, ch *blocking.Channel) error {
	if !j.publishes() {
		return expect(ctx, j, ch, 0)
	}
	if err := expect(ctx, j, ch, j.n); err != nil {
		return err
	}
	first, err := ch.Get(ctx, &blocking.Get{Queue: j.queue, NoAck: true})
	if err != nil {
		return err
	}
	if first == nil || !bytes.Equal(first.Body, body.New(j.size)) {
		return errors.New("the broker has another body than was published")
	}
	return nil
}

// drop deletes the queue, also when ctx has ended and on what channel soever that
// went wrong.
func drop(ctx context.Context, j *job, conn *blocking.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	ch, err := conn.Channel(ctx)
	if err != nil {
		return err
	}
	return remove(ctx, j, ch)
}

// remove deletes the queue behind all that was asked of the channel, also when ctx has
// ended.
func remove(ctx context.Context, j *job, ch *blocking.Channel) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_, err := ch.QueueDelete(ctx, &blocking.QueueDelete{Queue: j.queue})
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
