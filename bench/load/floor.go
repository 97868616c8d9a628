package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/haypile/haypile/bench/internal/body"
)

// floorClient is a socket with as little around it as the protocol allows: what no
// client can do without.
type floorClient struct {
	net.Conn
	j     *job
	trips *latencies
	work  func(n int) error

	buf      []byte
	from, to int // what is in buf
	skip     int // bytes to come of a body frame
	number   int // of the message that comes, from one
	at       int // how far its body has come
	body     []byte
	bytes    int // of bodies that came
}

// Bytes of a write, unless one message alone is larger, and of a read.
const (
	floorLot  = 64 << 10
	floorRead = 256 << 10
)

func openFloor(ctx context.Context, j *job, trips *latencies) (client, error) {
	f := &floorClient{j: j, trips: trips, buf: make([]byte, floorRead)}
	channels := 1
	switch j.mode {
	case modePublish, modeProps:
		channels, f.work = j.channels, f.publish
	case modeConfirm:
		f.work = f.publishConfirm
	case modeParallel:
		channels, f.work = j.publishers, f.publish
	case modeAuto, modeRead, modeAck, modeMulti:
		f.work = f.consume
	case modeRPC:
		f.work = f.rpc
	case modePingpong:
		f.work = f.pingpong
	case modeIdle:
	default:
		return nil, errMode
	}
	address, vhost, err := j.address()
	if err != nil {
		return nil, err
	}
	if f.Conn, err = new(net.Dialer).DialContext(ctx, "tcp", address); err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		f.SetDeadline(deadline)
	}
	if config := j.tlsConfig(); config != nil {
		f.Conn = tls.Client(f.Conn, config)
	}
	if err := f.shakeHands(vhost, channels); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// shakeHands comes in and opens the channels from 1 on.
func (f *floorClient) shakeHands(vhost string, channels int) error {
	tune := []byte{2047 >> 8, 2047 & 0xFF, 0, 2, 0, 0, 0, byte(f.j.heartbeat.Seconds())} // RabbitMQ refuses more channels
	open := append([]byte{byte(len(vhost))}, vhost...)
	sasl := f.j.credentials()
	startOk := append([]byte("\x00\x00\x00\x00\x05PLAIN"), binary.BigEndian.AppendUint32(nil, uint32(len(sasl)))...)
	startOk = append(append(startOk, sasl...), "\x05en_US"...)
	steps := [][]byte{
		[]byte("AMQP\x00\x00\x09\x01"),
		floorFrame(0, 10, 11, startOk...),
		append(floorFrame(0, 10, 31, tune...), floorFrame(0, 10, 40, append(open, 0, 0)...)...),
	}
	for i := range channels {
		steps = append(steps, floorFrame(uint16(i+1), 20, 10, 0))
	}
	if f.j.mode == modeConfirm {
		steps = append(steps, floorFrame(1, 85, 10, 0))
	}
	if f.j.acks() {
		steps = append(steps, floorFrame(1, 60, 10, 0, 0, 0, 0, byte(f.j.window>>8), byte(f.j.window), 0))
	}
	for _, step := range steps {
		if _, err := f.Write(step); err != nil {
			return err
		}
		if _, err := f.method(); err != nil {
			return err
		}
	}
	return nil
}

func (f *floorClient) run(n int) error {
	if err := f.work(n); err != nil {
		return err
	}
	messages, consumers, err := f.ask()
	if err != nil {
		return err
	}
	return f.j.counted(n, messages, consumers)
}

func (f *floorClient) close() { f.Conn.Close() }

// floorFrame is a method frame on a channel.
func floorFrame(channel uint16, class, method uint16, args ...byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{1}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(args)))
	b = binary.BigEndian.AppendUint16(b, class)
	b = binary.BigEndian.AppendUint16(b, method)
	return append(append(b, args...), 0xCE)
}

// declare is a passive declare.
func (f *floorClient) declare() []byte {
	q := f.j.target()
	args := append([]byte{0, 0, byte(len(q))}, q...)
	return floorFrame(1, 50, 10, append(args, 1, 0, 0, 0, 0)...)
}

// ask makes a passive declare.
func (f *floorClient) ask() (messages, consumers int, err error) {
	if _, err := f.Write(f.declare()); err != nil {
		return 0, 0, err
	}
	for {
		reply, err := f.method()
		if err != nil {
			return 0, 0, err
		}
		if reply[1] == 50 {
			counts := reply[5+int(reply[4]):]
			return int(binary.BigEndian.Uint32(counts)), int(binary.BigEndian.Uint32(counts[4:])), nil
		}
	}
}

var errRefused = errors.New("the broker closed the channel or the connection")

// method is the payload of the next method, valid until the next call.
func (f *floorClient) method() (m []byte, err error) {
	for m == nil && err == nil {
		err = f.frames(func(payload []byte) bool {
			m = payload
			return false
		})
	}
	return m, err
}

// frames reads once, unless a frame is there already, and shows each method that
// came until one is enough. It checks bodies, and copies them where a client would.
func (f *floorClient) frames(show func(method []byte) (more bool)) error {
	for read := false; ; {
		for f.from < f.to {
			p := f.buf[f.from:f.to]
			if f.skip > 0 {
				if err := f.take(p[:min(f.skip, len(p))]); err != nil {
					return err
				}
				continue
			}
			if len(p) < 7 {
				break
			}
			size := int(binary.BigEndian.Uint32(p[3:]))
			if p[0] == 3 {
				f.from += 7
				f.skip = size + 1
				continue
			}
			if len(p) < size+8 {
				break
			}
			f.from += size + 8
			payload := p[7 : 7+size]
			switch {
			case p[0] == 2:
				f.begin(int(binary.BigEndian.Uint64(payload[4:])))
			case p[0] == 1 && isClose(payload):
				return fmt.Errorf("%w: %q", errRefused, payload)
			case p[0] == 1:
				if !show(payload) {
					return nil
				}
			}
		}
		if read {
			return nil
		}
		read = true
		if err := f.read(); err != nil {
			return err
		}
	}
}

// begin is told that a body of so many bytes follows.
func (f *floorClient) begin(size int) {
	f.number++
	f.at = 0
	if f.j.api == "blocking" {
		f.body = make([]byte, 0, size)
	}
}

// take takes a part of a body frame, its end octet included.
func (f *floorClient) take(p []byte) (err error) {
	f.from += len(p)
	if f.skip -= len(p); f.skip == 0 {
		p = p[:len(p)-1]
	}
	if f.j.looksAt(f.number) {
		err = body.CheckPart(p, f.j.size, f.at, uint64(f.number))
	}
	f.at += len(p)
	f.bytes += len(p)
	if f.body != nil {
		f.body = append(f.body, p...)
	}
	return err
}

func (f *floorClient) read() error {
	f.to = copy(f.buf, f.buf[f.from:f.to])
	f.from = 0
	n, err := f.Read(f.buf[f.to:])
	f.to += n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// isClose tells a connection.close or a channel.close.
func isClose(method []byte) bool {
	id := binary.BigEndian.Uint32(method)
	return id == 10<<16|50 || id == 20<<16|40
}
