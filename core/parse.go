package core

import (
	"bytes"

	"github.com/haypile/haypile/core/wire"
)

// input is the state between two calls of Feed: what was read of a frame that
// is not whole. Methods and content headers are carried, at most frame-max
// bytes; bodies are passed on in the pieces in which they come.
type input struct {
	carry []byte
	body  bodyFrame
	lost  bool // the peer's frames have become unreadable
	dec   *decoding
}

// bodyFrame is a body frame of which the header has been read.
type bodyFrame struct {
	on   bool // also true when only the end octet is missing
	ch   uint16
	left uint32
}

// decoding is what methods and messages are decoded with, absent while none come.
type decoding struct {
	wire.Decoder
	intern  wire.Interner
	large   int64    // bytes of unfinished messages beyond what each channel has free
	ahead   int      // bytes that their buffers were made for before they came
	aliased *content // its properties alias Feed's argument

	spare      []byte // a body buffer that no channel uses
	spareUntil moment // how long it is kept if it is large
}

const carryKeep = 4 << 10 // a carry larger than this is not kept when it empties

// interning is the decoder for methods that repeat their strings message after
// message.
func (in *input) interning() *wire.Decoder {
	d := in.plain()
	d.Intern = &in.dec.intern
	return d
}

// plain is the decoder for methods whose strings are not worth interning.
func (in *input) plain() *wire.Decoder {
	d := in.decoding()
	d.Intern = nil
	return &d.Decoder
}

func (in *input) decoding() *decoding {
	if in.dec == nil {
		in.dec = new(decoding)
	}
	return in.dec
}

// rest gives back what only traffic needs.
func (in *input) rest() {
	if len(in.carry) == 0 {
		in.carry = nil
	}
	if in.dec != nil && in.dec.large == 0 {
		in.dec = nil
	}
}

// own copies what would otherwise alias memory that is about to be reused.
func (in *input) own() {
	if d := in.dec; d != nil && d.aliased != nil {
		d.aliased.ownProperties()
		d.aliased = nil
	}
}

// parse consumes from p at least one frame, or all of p, and returns the rest.
func (c *Conn) parse(p []byte) []byte {
	switch {
	case c.in.body.on:
		return c.bodyChunk(p)
	case c.state == StateStarting && c.role == roleServer:
		return c.greet(p)
	case len(c.in.carry) > 0:
		return c.complete(p)
	}
	if c.state == StateStarting && p[0] != byte(wire.FrameMethod) {
		return c.collect(p)
	}
	t, channel, size, ok := wire.PeekFrame(p)
	if !ok {
		c.in.carry = append(c.in.carry, p...)
		return nil
	}
	if !c.admit(t, channel, size) {
		return nil
	}
	if n := wire.FrameOverhead + int(size); n <= len(p) {
		c.frame(t, channel, p[wire.FrameHeaderSize:n], false)
		return p[n:]
	}
	if t == wire.FrameBody {
		c.beginBody(channel, size)
		return p[wire.FrameHeaderSize:]
	}
	c.in.carry = append(c.in.carry, p...)
	return nil
}

// complete adds to the carry what is missing of its frame.
func (c *Conn) complete(p []byte) []byte {
	in := &c.in
	if c.state == StateStarting && in.foreign() {
		return c.collect(p)
	}
	if missing := wire.FrameHeaderSize - len(in.carry); missing > 0 {
		n := min(missing, len(p))
		in.carry, p = append(in.carry, p[:n]...), p[n:]
		if n < missing {
			return nil
		}
	}
	t, channel, size, _ := wire.PeekFrame(in.carry)
	if !c.admit(t, channel, size) {
		return nil
	}
	if t == wire.FrameBody {
		in.carry = in.carry[:0]
		c.beginBody(channel, size)
		return p
	}
	n := min(wire.FrameOverhead+int(size)-len(in.carry), len(p))
	in.carry, p = append(in.carry, p[:n]...), p[n:]
	if len(in.carry) < wire.FrameOverhead+int(size) {
		return p
	}
	whole := in.carry
	in.carry = nil // a callback must find the parser at a frame boundary
	c.frame(t, channel, whole[wire.FrameHeaderSize:], true)
	if scribble {
		overwrite(whole)
	}
	if cap(whole) <= carryKeep {
		in.carry = whole[:0]
	}
	return p
}

// foreign tells that what came first is no frame that a broker begins with.
func (in *input) foreign() bool {
	return len(in.carry) > 0 && in.carry[0] != byte(wire.FrameMethod)
}

// collect gathers the first bytes of something that is no AMQP server, until
// they tell what it is.
func (c *Conn) collect(p []byte) []byte {
	const most = 64
	c.in.carry = append(c.in.carry, p[:min(len(p), most-len(c.in.carry))]...)
	if answer := c.in.carry; telling(answer) || len(answer) == most {
		c.violation(0, 0, &NotAMQPError{Host: c.cfg.host, Answer: answer})
	}
	return nil
}

// telling tells that an answer is long enough to be named: a protocol header of
// eight bytes, the two that TLS begins with, a line of text.
func telling(answer []byte) bool {
	const header = wire.ProtocolHeader
	switch first := answer[0]; {
	case first == header[0] && len(answer) <= len(header):
		return len(answer) == len(header) || answer[len(answer)-1] == '\n'
	case first < ' ' || first > '~':
		return len(answer) >= 2
	}
	return bytes.IndexByte(answer, '\n') >= 0
}

// admit checks a frame's header before anything is allocated for the frame.
func (c *Conn) admit(t wire.FrameType, channel uint16, size uint32) bool {
	err := c.checkFrame(t, channel, size)
	if err != nil {
		c.misframed(channel, err)
	}
	return err == nil
}

func (c *Conn) checkFrame(t wire.FrameType, channel uint16, size uint32) error {
	switch t {
	case wire.FrameMethod:
	case wire.FrameHeader, wire.FrameBody:
		if channel == 0 {
			return offend(wire.ChannelError, "content on channel 0")
		}
	case wire.FrameHeartbeat:
		if channel != 0 || size != 0 {
			return offend(wire.FrameError, "heartbeat on channel %d with %d bytes", channel, size)
		}
	default:
		return offend(wire.FrameError, "unknown frame type %d", uint8(t))
	}
	if size > c.limits.frameMax-wire.FrameOverhead {
		return offend(wire.FrameError, "frame of %d bytes, frame-max is %d", uint64(size)+wire.FrameOverhead, c.limits.frameMax)
	}
	if channel > c.limits.channelMax {
		return offend(wire.ChannelError, "channel %d, channel-max is %d", channel, c.limits.channelMax)
	}
	return nil
}

// frame acts on a whole frame. rest is the payload with the end octet; volatile
// tells that it lies in the carry, which the next frame may overwrite.
func (c *Conn) frame(t wire.FrameType, channel uint16, rest []byte, volatile bool) {
	c.counts.framesReceived++
	payload, end := rest[:len(rest)-1], rest[len(rest)-1]
	if end != wire.FrameEnd {
		c.misframed(channel, offend(wire.FrameError, "frame ends in 0x%02X, not in 0xCE", end))
		return
	}
	if c.cfg.trace != nil {
		c.trace(false, t, channel, uint32(len(payload)), payload)
	}
	switch t {
	case wire.FrameMethod:
		c.method(channel, payload)
	case wire.FrameHeader:
		c.header(channel, payload)
		if volatile {
			c.in.own()
		}
	case wire.FrameBody:
		c.body(channel, payload, true)
	}
}

// beginBody: the header of a body frame has come that is not whole.
func (c *Conn) beginBody(channel uint16, size uint32) {
	c.in.body = bodyFrame{on: true, ch: channel, left: size}
	c.counts.framesReceived++
	if c.cfg.trace != nil {
		c.trace(false, wire.FrameBody, channel, size, nil)
	}
}

// bodyChunk consumes a part of a body frame that did not come whole.
func (c *Conn) bodyChunk(p []byte) []byte {
	f := &c.in.body
	if n := min(int(f.left), len(p)); n > 0 {
		f.left -= uint32(n)
		c.body(f.ch, p[:n], false)
		return p[n:]
	}
	f.on = false
	if p[0] != wire.FrameEnd {
		c.misframed(f.ch, offend(wire.FrameError, "frame ends in 0x%02X, not in 0xCE", p[0]))
		return nil
	}
	c.body(f.ch, nil, true)
	return p[1:]
}

// method acts on a method frame.
func (c *Conn) method(channel uint16, payload []byte) {
	id, args, err := wire.ParseMethodID(payload)
	if err != nil {
		c.violation(channel, 0, err)
		return
	}
	if channel == 0 {
		err = c.connectionMethod(id, args)
	} else {
		err = c.channelMethod(channel, id, args)
	}
	if err != nil {
		c.violation(channel, id, err)
	}
}

// connectionMethod moves along the state table and acts on what arrived.
func (c *Conn) connectionMethod(id wire.MethodID, args []byte) error {
	if c.state == StateClosing && id != wire.ConnectionCloseID && id != wire.ConnectionCloseOkID {
		return nil
	}
	awaited := c.state
	next, ok := awaited.after(id)
	if !ok || !c.role.hears(id) || awaited < StateOpen && !c.expects(id) {
		return c.misplaced(id, 0)
	}
	c.state = next
	var err error
	switch id {
	case wire.ConnectionStartID:
		err = c.onStart(args)
	case wire.ConnectionSecureID:
		err = c.onSecure(args)
	case wire.ConnectionTuneID:
		err = c.onTune(args)
	case wire.ConnectionOpenOkID:
		err = c.onOpenOk(args)
	case wire.ConnectionStartOkID:
		err = c.onStartOk(args)
	case wire.ConnectionSecureOkID:
		err = c.onSecureOk(args)
	case wire.ConnectionTuneOkID:
		err = c.onTuneOk(args)
	case wire.ConnectionOpenID:
		err = c.onOpen(args)
	case wire.ConnectionUpdateSecretID:
		err = c.onUpdateSecret(args)
	case wire.ConnectionUpdateSecretOkID:
		err = c.onUpdateSecretOk()
	case wire.ConnectionBlockedID:
		err = c.onBlocked(args)
	case wire.ConnectionUnblockedID:
		c.onUnblocked()
	case wire.ConnectionCloseID:
		err = c.onConnectionClose(args, awaited)
	case wire.ConnectionCloseOkID:
		c.finish()
	}
	if err != nil {
		c.state = awaited // nothing was done, and it is known what was being waited for
	}
	return err
}

// misplaced is the offence of a method that has no business where it came.
func (c *Conn) misplaced(id wire.MethodID, channel uint16) error {
	switch {
	case !id.Known():
		return offend(wire.NotImplemented, "unknown method %s", id)
	case c.role == roleServer && channel != 0:
		return offend(wire.CommandInvalid, "unimplemented method")
	case !c.role.hears(id):
		return offend(wire.CommandInvalid, "%s is for a %s to send", id, c.role)
	case (channel == 0) != (id.Class() == wire.ClassConnection):
		return offend(wire.CommandInvalid, "%s on channel %d", id, channel)
	}
	return offend(wire.CommandInvalid, "%s came unasked", id)
}
