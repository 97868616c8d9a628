package core

import "github.com/haypile/haypile/core/wire"

// Traffic is what has passed over a connection, the handshake included.
type Traffic struct {
	FramesSent     uint64 // handed to Outbound; also those that the end kept from leaving
	FramesReceived uint64 // of bodies, also those that are not whole yet
	BytesSent      uint64 // taken by the transport, as Advance told
	BytesReceived  uint64 // given to Feed
}

// Add is the sum of two connections' traffic.
func (t Traffic) Add(o Traffic) Traffic {
	return Traffic{
		FramesSent: t.FramesSent + o.FramesSent, FramesReceived: t.FramesReceived + o.FramesReceived,
		BytesSent: t.BytesSent + o.BytesSent, BytesReceived: t.BytesReceived + o.BytesReceived,
	}
}

// counts are a connection's traffic, but for the bytes sent, which answers counts.
type counts struct{ framesSent, framesReceived, bytesReceived uint64 }

// Traffic is what has passed so far.
func (c *Conn) Traffic() Traffic {
	return Traffic{
		FramesSent: c.counts.framesSent, FramesReceived: c.counts.framesReceived,
		BytesSent: c.answers.sent, BytesReceived: c.counts.bytesReceived,
	}
}

// countContent counts the frames of a message: method, header, and the body's.
func (c *Conn) countContent(size int) {
	c.counts.framesSent += 2
	if room := int(c.limits.frameMax) - wire.FrameOverhead; size > room {
		c.counts.framesSent += uint64((size + room - 1) / room)
	} else if size > 0 {
		c.counts.framesSent++
	}
}
