package core

import (
	"fmt"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// TraceFrame is a frame on its way, as the Trace of a config gets it. It is
// valid until that returns.
type TraceFrame struct {
	At      time.Time // the latest time that the Conn was given
	Sent    bool      // by this side; false: received
	Type    wire.FrameType
	Channel uint16
	Size    uint32        // of the payload in bytes
	Method  wire.MethodID // of a method frame
	// Payload of methods and content headers, lent, for wire.Decode and
	// wire.ParseContentHeader. Credentials are taken out of it. nil for body
	// frames, which pass in pieces.
	Payload []byte
}

// String is a line for a log: direction, channel, what it is, and its size.
func (f *TraceFrame) String() string {
	arrow, what := "<-", f.Type.String()
	if f.Sent {
		arrow = "->"
	}
	if f.Type == wire.FrameMethod {
		what = f.Method.String()
	}
	return fmt.Sprintf("%s %d %s, %d bytes", arrow, f.Channel, what, f.Size)
}

// traceSent traces what has been appended to the output since it was n bytes
// long: whole frames, of which the lent bodies are missing.
func (c *Conn) traceSent(n int) {
	if c.cfg.trace == nil {
		return
	}
	for p := c.out.buf[n:]; len(p) >= wire.FrameHeaderSize; {
		t, channel, size, _ := wire.PeekFrame(p)
		end := wire.FrameHeaderSize + int(size)
		if lent := t == wire.FrameBody && c.out.lentAt(len(c.out.buf)-len(p)+wire.FrameHeaderSize); lent {
			end = wire.FrameHeaderSize
		}
		c.trace(true, t, channel, size, p[wire.FrameHeaderSize:end])
		p = p[end+1:]
	}
}

// lentAt tells that the body of the frame whose header ends at buf[at] is lent.
func (o *output) lentAt(at int) bool {
	if o.loans == nil {
		return false
	}
	for i := o.loans.refs.len() - 1; i >= 0; i-- {
		if r := o.loans.refs.at(i); r.at <= at {
			return r.at == at && len(r.data) > 0
		}
	}
	return false
}

func (c *Conn) trace(sent bool, t wire.FrameType, channel uint16, size uint32, payload []byte) {
	f := TraceFrame{At: c.latest(), Sent: sent, Type: t, Channel: channel, Size: size}
	switch t {
	case wire.FrameMethod:
		f.Method, _, _ = wire.ParseMethodID(payload)
		f.Payload = masked(f.Method, payload)
	case wire.FrameHeader:
		f.Payload = payload
	}
	c.cfg.trace(&f)
}

// masked is the payload of a method without its credentials, nil if they cannot
// be told apart from the rest.
func masked(id wire.MethodID, payload []byte) []byte {
	switch id {
	case wire.ConnectionStartOkID, wire.ConnectionSecureOkID, wire.ConnectionUpdateSecretID:
	default:
		return payload
	}
	m, err := wire.Decode(payload)
	if err != nil {
		return nil
	}
	switch m := m.(type) {
	case *wire.ConnectionStartOk:
		m.Response = wire.Secret{}
	case *wire.ConnectionSecureOk:
		m.Response = wire.Secret{}
	case *wire.ConnectionUpdateSecret:
		m.NewSecret = wire.Secret{}
	}
	payload, _ = m.AppendTo(nil) // it was decoded, so it can be encoded
	return payload
}
