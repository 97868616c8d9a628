package main

import "github.com/haypile/haypile/core/wire"

const (
	exchange    = "exchange"
	routingKey  = "routing.key"
	consumerTag = "consumer"
)

// frame is a method as a broker sends it.
func frame(channel uint16, m wire.Method) []byte {
	p, err := wire.AppendMethodFrame(nil, channel, m)
	if err != nil {
		panic(err) // these are constant
	}
	return p
}

// handshake is what a broker answers to the first three things that a client
// sends.
func handshake() [][]byte {
	return [][]byte{
		frame(0, &wire.ConnectionStart{VersionMinor: 9, Mechanisms: "PLAIN", Locales: "en_US"}),
		frame(0, &wire.ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60}),
		frame(0, &wire.ConnectionOpenOk{}),
	}
}

func properties() *wire.Properties {
	return &wire.Properties{
		ContentType: "application/json", DeliveryMode: wire.Persistent, MessageID: "0123456789", CorrelationID: "abcdefgh",
		AppID: "bench", Type: "order.created", ReplyTo: "replies",
		Headers: wire.Table{"a": int32(1), "b": "two", "c": true, "d": 4.5, "e": "five"},
	}
}

// deliveries are about 64 KiB of them.
func deliveries(size int) (p []byte) {
	message := frame(1, &wire.BasicDeliver{ConsumerTag: consumerTag, DeliveryTag: 1, Exchange: exchange, RoutingKey: routingKey})
	message = wire.AppendHeaderFrame(message, 1, wire.ClassBasic, uint64(size), nil)
	message = wire.AppendBodyFrame(message, 1, make([]byte, size))
	for len(p) < 64<<10 {
		p = append(p, message...)
	}
	return p
}

// perFeed is how many messages deliveries has.
func perFeed(size int) int {
	one := len(frame(1, &wire.BasicDeliver{ConsumerTag: consumerTag, Exchange: exchange, RoutingKey: routingKey})) + 22 + size + wire.FrameOverhead
	return (64<<10 + one - 1) / one
}
