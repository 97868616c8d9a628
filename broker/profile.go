package broker

import (
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Profile is a RabbitMQ to behave as, where clients can tell.
type Profile uint8

const (
	// RabbitMQ4 is RabbitMQ 4.3 with its defaults: queues that are neither durable
	// nor exclusive are refused (541), a prefetch for the whole channel (global)
	// counts for each consumer, messages are at most 16 MiB, clients whose frame-max
	// is below 8 KiB are dropped, and an ack may take any time.
	RabbitMQ4 Profile = iota
	// RabbitMQ3 is RabbitMQ 3.10: what RabbitMQ4 refuses is allowed, and a delivery
	// that is not acknowledged within 30 minutes costs its channel.
	RabbitMQ3
)

// traits are what profiles differ in.
type traits struct {
	version       string
	transient     bool   // queues that are neither durable nor exclusive
	globalQos     bool   // a prefetch of the channel
	maxMessage    int64  // bytes
	frameMin      uint32 // the least frame-max
	ackTimeout    time.Duration
	verboseAccess bool // refusals name the permission
	softType      bool // an unknown exchange type costs the channel only
	countsFirst   bool // what is got from a quorum queue for the first time has x-delivery-count
	checksMode    bool // of messages' delivery-mode
	strictPlain   bool // PLAIN takes no authorization identity
	lastDeath     bool // dead letters have x-last-death headers
}

var profiles = map[Profile]traits{
	RabbitMQ4: {version: "4.3.0", maxMessage: 16 << 20, frameMin: 8192, ackTimeout: core.Off, verboseAccess: true, softType: true, lastDeath: true},
	RabbitMQ3: {version: "3.10.8", transient: true, globalQos: true, maxMessage: 128 << 20, frameMin: wire.FrameMinSize, ackTimeout: 30 * time.Minute, countsFirst: true, checksMode: true, strictPlain: true},
}

// String is the version of RabbitMQ, such as "4.3.0".
func (p Profile) String() string { return profiles[p].version }
