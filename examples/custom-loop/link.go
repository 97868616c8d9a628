package main

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/haypile/haypile/core"
)

// patience is what a frame spares for the network at most, each way, when nothing
// comes or nothing is taken. (A deadline that has passed already would not do:
// package net would not even try.)
const patience = time.Millisecond

// link is the network's share of a frame.
type link struct {
	amqp   *core.Conn
	socket net.Conn
	input  []byte
	output [][]byte
}

// receive feeds the connection what has come, or tells it the time. Callbacks run
// in here.
func (l *link) receive() {
	l.socket.SetReadDeadline(time.Now().Add(patience))
	n, err := l.socket.Read(l.input)
	now := time.Now()
	l.amqp.Feed(l.input[:n], now)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		l.amqp.Lost(err, now)
	}
	// Heartbeats, and time limits of the handshake and of closing.
	if at := l.amqp.NextDeadline(); !at.IsZero() && !now.Before(at) {
		l.amqp.Tick(now)
	}
}

// send writes as much as the kernel takes. What it does not take waits in the
// connection until the next frame.
func (l *link) send() {
	l.output = l.amqp.Outbound(l.output[:0])
	if len(l.output) == 0 {
		return
	}
	l.socket.SetWriteDeadline(time.Now().Add(patience))
	segments := net.Buffers(l.output)
	n, err := segments.WriteTo(l.socket)
	l.amqp.Advance(int(n))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		l.amqp.Lost(err, time.Now())
	}
}
