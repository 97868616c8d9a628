package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/bench/internal/body"
)

// job is what is to be measured.
type job struct {
	peer, adapter, api, mode string

	url, vhost string
	tls        bool
	budget     time.Duration
	buffered   int           // 0: the default
	heartbeat  time.Duration // 0: the peer's default

	queue                                  string
	n, size, window                        int
	conns, channels, publishers, consumers int
	read, reuse                            bool
	hold, timeout                          time.Duration
	cpuProfile, memProfile                 string

	sink bool          // the broker is one
	loop adapters.Loop // haypile's
}

// client is one connection of a peer, ready for the mode.
type client interface {
	// run moves n messages, and returns when the broker has answered what was asked
	// after the last.
	run(n int) error
	close()
}

// open connects a client and readies it.
type open func(ctx context.Context, j *job, trips *latencies) (client, error)

// peers by name and API.
var peers = map[string]open{
	"haypile blocking": openBlocking,
	"haypile callback": openCallback,
	"amqp091 blocking": openAMQP091,
	"floor blocking":   openFloor,
	"floor callback":   openFloor,
}

const (
	modePublish  = "publish"
	modeProps    = "publish-props"
	modeConfirm  = "publish-confirm"
	modeParallel = "publish-parallel"
	modeAuto     = "consume-auto"
	modeRead     = "consume-props"
	modeAck      = "consume-ack"
	modeMulti    = "consume-multi"
	modeRPC      = "rpc"
	modePingpong = "pingpong"
	modeIdle     = "idle"
)

var modes = []string{modePublish, modeProps, modeConfirm, modeParallel, modeAuto, modeRead, modeAck, modeMulti, modeRPC, modePingpong, modeIdle}

// multiple is how many deliveries an ack of consume-multi is for.
const multiple = 100

// errMode is a mode that a peer does not have.
var errMode = errors.New("this peer has no such mode")

// errEnded is a connection, or what it delivers, that ended before the messages did.
var errEnded = errors.New("the connection ended")

func (j *job) check() error {
	if peers[j.peer+" "+j.api] == nil {
		return fmt.Errorf("no peer %q with API %q", j.peer, j.api)
	}
	if !slices.Contains(modes, j.mode) {
		return fmt.Errorf("no mode %q", j.mode)
	}
	for _, p := range []struct {
		name         string
		value, least int
	}{
		{"n", j.n, 1}, {"size", j.size, 0}, {"window", j.window, 1}, {"conns", j.conns, 1},
		{"channels", j.channels, 1}, {"publishers", j.publishers, 1}, {"consumers", j.consumers, 1},
	} {
		if p.value < p.least {
			return fmt.Errorf("-%s is %d, must be at least %d", p.name, p.value, p.least)
		}
	}
	if j.mode == modeMulti && j.window < multiple {
		return fmt.Errorf("-window is %d, %s needs %d", j.window, modeMulti, multiple)
	}
	if j.acks() && j.window > math.MaxUint16 {
		return fmt.Errorf("-window is %d, a prefetch is at most %d", j.window, math.MaxUint16)
	}
	if j.reuse && j.mode == modeMulti {
		return fmt.Errorf("%s has bodies kept, which -reuse would not", modeMulti)
	}
	if j.mode == modeIdle && j.hold <= 0 {
		return fmt.Errorf("-hold is %v", j.hold)
	}
	if least := j.takers(); j.n < least {
		return fmt.Errorf("-n is %d, must be at least %d, a message for each", j.n, least)
	}
	return nil
}

// takers are who share the messages.
func (j *job) takers() int {
	if j.mode == modeAuto || j.mode == modeRead {
		return j.conns * j.consumers
	}
	return j.conns
}

func (j *job) publishes() bool { return strings.HasPrefix(j.mode, "publish") }

func (j *job) consumes() bool { return strings.HasPrefix(j.mode, "consume-") }

// acks tells that deliveries are acknowledged.
func (j *job) acks() bool { return j.mode == modeAck || j.mode == modeMulti }

// properties tells that messages have some.
func (j *job) properties() bool { return j.mode == modeProps || j.mode == modeRead }

func (j *job) hasRoundTrips() bool {
	return j.mode == modeRPC || j.mode == modePingpong || j.mode == modeConfirm && j.window == 1
}

// target is the queue that is published to and asked about.
func (j *job) target() string {
	if j.sink && j.mode == modePingpong {
		return "pingpong"
	}
	return j.queue
}

// source is the queue that has n messages for a consumer.
func (j *job) source(n int) string {
	switch {
	case !j.sink || j.mode == modePingpong:
		return j.target()
	case j.properties():
		return fmt.Sprintf("%dx%dp", n, j.size)
	}
	return fmt.Sprintf("%dx%d", n, j.size)
}

// asking are those of k channels that are asked after the last message. A sink takes
// what comes on a connection in order, so there the last of them speaks for all:
// asking each would make many channels look dear.
func (j *job) asking(k int) (first int) {
	if j.sink {
		return k - 1
	}
	return 0
}

// counted checks what a declare of the sink tells after the n messages of a
// connection. Another broker may still be counting: verify looks at its queue later.
func (j *job) counted(n int, messages, consumers int) error {
	switch {
	case j.publishes() && j.sink && messages != n:
		return fmt.Errorf("the sink counted %d of %d messages", messages, n)
	case j.publishes() && j.sink && uint32(consumers) != uint32(n*j.size):
		return fmt.Errorf("the sink counted %d bytes in bodies, not %d, modulo 2^32", consumers, n*j.size)
	case j.acks() && j.sink && consumers != n:
		return fmt.Errorf("the sink counted acks for %d of %d messages", consumers, n)
	}
	return nil
}

// came checks the body of a consumer's n-th delivery, of small ones not all.
func (j *job) came(content []byte, n int) error {
	if len(content) == j.size && !j.looksAt(n) {
		return nil
	}
	return body.Check(content, j.size, uint64(n))
}

// looksAt tells whether the body of the n-th delivery is looked at. Looking at each
// would be a part of what a small one costs. One in seven meets every place in reads
// and writes that a power of two of them share.
func (j *job) looksAt(n int) bool { return n%7 == 0 || j.size >= 4<<10 }

// share is what the i-th of k has of n.
func share(n, k, i int) int { return n*(i+1)/k - n*i/k }

// tlsConfig trusts anybody, nil without TLS.
func (j *job) tlsConfig() *tls.Config {
	if !j.tls {
		return nil
	}
	return &tls.Config{InsecureSkipVerify: true}
}

// locate has the URL say whether TLS is talked, which all peers go by.
func (j *job) locate() error {
	u, err := url.Parse(j.url)
	if err != nil {
		return err
	}
	if j.tls {
		u.Scheme = "amqps"
	}
	j.tls = u.Scheme == "amqps"
	j.url = u.String()
	return nil
}

// address is where the broker listens, and its virtual host.
func (j *job) address() (hostPort, vhost string, err error) {
	u, err := url.Parse(j.url)
	if err != nil {
		return "", "", err
	}
	if hostPort = u.Host; u.Port() == "" {
		port := "5672"
		if j.tls {
			port = "5671"
		}
		hostPort = net.JoinHostPort(u.Hostname(), port)
	}
	if vhost = strings.TrimPrefix(u.Path, "/"); vhost == "" {
		vhost = "/"
	}
	return hostPort, vhost, nil
}

// credentials are the URL's, as SASL PLAIN has them.
func (j *job) credentials() string {
	name, password := "guest", "guest"
	if u, err := url.Parse(j.url); err == nil && u.User != nil {
		name = u.User.Username()
		password, _ = u.User.Password()
	}
	return "\x00" + name + "\x00" + password
}
