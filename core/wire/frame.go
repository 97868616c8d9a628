package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// FrameType is the first octet of a frame (AMQP 0-9-1 section 4.2.3).
type FrameType uint8

// The frame types.
const (
	FrameMethod    FrameType = 1
	FrameHeader    FrameType = 2
	FrameBody      FrameType = 3
	FrameHeartbeat FrameType = 8
)

// String is "method", "header", "body", "heartbeat" or "type 4".
func (t FrameType) String() string {
	switch t {
	case FrameMethod:
		return "method"
	case FrameHeader:
		return "header"
	case FrameBody:
		return "body"
	case FrameHeartbeat:
		return "heartbeat"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Measures of a frame.
const (
	// FrameEnd is the octet that ends every frame.
	FrameEnd = 0xCE
	// FrameHeaderSize is the bytes of type, channel and payload size.
	FrameHeaderSize = 7
	// FrameOverhead is the bytes that a frame has beside its payload.
	FrameOverhead = FrameHeaderSize + 1
	// FrameMinSize is the frame-max, in bytes, that every peer accepts (AMQP
	// 0-9-1 section 4.2.3).
	FrameMinSize = 4096
)

// ProtocolHeader is what a client sends first (AMQP 0-9-1 section 4.2.2), and
// what a server answers that speaks another version, then with other numbers.
const ProtocolHeader = "AMQP\x00\x00\x09\x01"

// HeartbeatFrame is a whole heartbeat frame (AMQP 0-9-1 section 4.2.7).
const HeartbeatFrame = "\x08\x00\x00\x00\x00\x00\x00\xce"

const contentHeaderSize = 12 // class, weight, body size

// Frame is one frame. After ParseFrame the payload aliases what was parsed.
type Frame struct {
	Type    FrameType
	Channel uint16
	Payload []byte
}

// PeekFrame reads a frame's header and judges nothing: size is what the peer
// claims of its payload, in bytes. ok is false when p is shorter than
// FrameHeaderSize.
func PeekFrame(p []byte) (t FrameType, channel uint16, size uint32, ok bool) {
	if len(p) < FrameHeaderSize {
		return 0, 0, 0, false
	}
	return FrameType(p[0]), binary.BigEndian.Uint16(p[1:]), binary.BigEndian.Uint32(p[3:]), true
}

// ParseFrame reads the frame at the start of p and returns its length n.
// n is 0 and err nil while p holds no whole frame. A frame of more than max
// bytes, payload and FrameOverhead together, is an error as soon as its header
// is there; max 0 sets no limit. Other errors: an unknown frame type, an end
// octet that is not FrameEnd. All are *DecodeError with Code FrameError.
//
// Which channel and which order a frame may come in is not checked here.
func ParseFrame(p []byte, max uint32) (f Frame, n int, err error) {
	t, channel, size, ok := PeekFrame(p)
	if !ok {
		return Frame{}, 0, nil
	}
	if t != FrameMethod && t != FrameHeader && t != FrameBody && t != FrameHeartbeat {
		return Frame{}, 0, frameError(0, "unknown type %d", uint8(t))
	}
	total := uint64(size) + FrameOverhead
	if max != 0 && total > uint64(max) {
		return Frame{}, 0, frameError(0, "size %d exceeds frame-max %d", total, max)
	}
	if uint64(len(p)) < total {
		return Frame{}, 0, nil
	}
	end := int(total) - 1
	if p[end] != FrameEnd {
		return Frame{}, 0, frameError(end, "ends in 0x%02X, not in 0xCE", p[end])
	}
	return Frame{t, channel, p[FrameHeaderSize:end:end]}, end + 1, nil
}

func frameError(offset int, format string, args ...any) error {
	return &DecodeError{Field: "frame", Offset: offset, Reason: fmt.Sprintf(format, args...), Code: FrameError}
}

// AppendTo appends the frame. The payload must be shorter than 4 GiB.
func (f Frame) AppendTo(dst []byte) []byte {
	dst = AppendFrameHeader(dst, f.Type, f.Channel, uint32(len(f.Payload)))
	dst = append(dst, f.Payload...)
	return append(dst, FrameEnd)
}

// AppendFrameHeader appends the header of a frame whose payload of size bytes, and
// then FrameEnd, are sent by other means.
func AppendFrameHeader(dst []byte, t FrameType, channel uint16, size uint32) []byte {
	return append(dst, byte(t), byte(channel>>8), byte(channel),
		byte(size>>24), byte(size>>16), byte(size>>8), byte(size))
}

// AppendMethodFrame appends m as a method frame. The error is a *EncodeError;
// dst is then returned with its original length. Whether the frame fits the
// negotiated frame-max is for the caller to see, by the length.
func AppendMethodFrame(dst []byte, channel uint16, m Method) ([]byte, error) {
	start := len(dst)
	b, err := m.AppendTo(AppendFrameHeader(dst, FrameMethod, channel, 0))
	if err != nil {
		return b[:start], err
	}
	binary.BigEndian.PutUint32(b[start+3:], uint32(len(b)-start-FrameHeaderSize))
	return append(b, FrameEnd), nil
}

// AppendHeaderFrame appends a content header frame (AMQP 0-9-1 section 4.2.6.1)
// for a body of bodySize bytes. props comes from Properties.Encode or from a
// peer and is not checked; nil or empty stands for no property.
func AppendHeaderFrame(dst []byte, channel, class uint16, bodySize uint64, props RawProperties) []byte {
	if len(props) == 0 {
		props = noProperties
	}
	const fixed = FrameHeaderSize + contentHeaderSize
	n := len(dst)
	dst = slices.Grow(dst, fixed+len(props)+1)[:n+fixed]
	p := dst[n : n+fixed]
	p[0] = byte(FrameHeader)
	binary.BigEndian.PutUint16(p[1:], channel)
	binary.BigEndian.PutUint32(p[3:], uint32(contentHeaderSize+len(props)))
	binary.BigEndian.PutUint32(p[7:], uint32(class)<<16) // and the weight, 0
	binary.BigEndian.PutUint64(p[11:], bodySize)
	return append(append(dst, props...), FrameEnd)
}

var noProperties = RawProperties{0, 0}

// AppendBodyFrame appends body as one body frame. It must fit the negotiated
// frame-max less FrameOverhead.
func AppendBodyFrame(dst []byte, channel uint16, body []byte) []byte {
	return Frame{FrameBody, channel, body}.AppendTo(dst)
}

// AppendBody appends body as body frames of at most frameMax bytes each, and
// nothing for an empty body. frameMax 0 sets no limit but 2 GiB; values that
// leave no room for a payload count as FrameMinSize.
func AppendBody(dst []byte, channel uint16, body []byte, frameMax uint32) []byte {
	switch {
	case frameMax == 0 || frameMax > math.MaxInt32:
		frameMax = math.MaxInt32
	case frameMax <= FrameOverhead:
		frameMax = FrameMinSize
	}
	room := int(frameMax) - FrameOverhead
	if len(body) <= room && len(body) > 0 {
		dst = slices.Grow(dst, len(body)+FrameOverhead)
		return AppendBodyFrame(dst, channel, body)
	}
	frames := len(body)/room + 1
	dst = slices.Grow(dst, len(body)+frames*FrameOverhead)
	for len(body) > 0 {
		n := min(room, len(body))
		dst = AppendBodyFrame(dst, channel, body[:n])
		body = body[n:]
	}
	return dst
}

// ParseContentHeader reads the payload of a content header frame: the class it
// belongs to, the size of the body that follows, and the properties, which
// alias payload and have passed RawProperties.Check. bodySize is the peer's
// claim and can be any number. The error is a *DecodeError.
func ParseContentHeader(payload []byte) (class uint16, bodySize uint64, props RawProperties, err error) {
	const least = contentHeaderSize + 2
	if len(payload) < least {
		return 0, 0, nil, headerError(0, fmt.Sprintf("%d bytes are needed, there are %d", least, len(payload)))
	}
	if payload[2]|payload[3] != 0 {
		return 0, 0, nil, headerError(2, "the weight is not 0")
	}
	props = RawProperties(payload[contentHeaderSize:])
	if err := props.check(contentHeaderSize); err != nil {
		return 0, 0, nil, err
	}
	return binary.BigEndian.Uint16(payload), binary.BigEndian.Uint64(payload[4:]), props, nil
}

func headerError(offset int, reason string) error {
	return &DecodeError{Field: "content header", Offset: offset, Reason: reason, Code: FrameError}
}
