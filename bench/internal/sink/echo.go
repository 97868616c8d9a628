package sink

import (
	"encoding/binary"
	"errors"
)

// echo is a consumer that is sent what its connection publishes. One message may
// come before the consumer does.
type echo struct {
	channel  uint16
	consumer string
	payload  []byte // of a basic.deliver
	tagAt    int
	tag      uint64
	waiting  int    // messages that came before the consumer
	early    []byte // their content
}

// join makes the consumer, and sends it what waits.
func (e *echo) join(dst []byte, channel uint16, consumer string) ([]byte, error) {
	e.channel, e.consumer = channel, consumer
	e.payload, e.tagAt = deliver(consumer)
	switch e.waiting {
	case 0:
		return dst, nil
	case 1:
		return e.content(e.method(dst), e.early), nil
	}
	return dst, errors.New("more than one message before its consumer")
}

// method appends the method that begins a delivery.
func (e *echo) method(dst []byte) []byte {
	if e.consumer == "" {
		e.waiting++
		return dst
	}
	e.tag++
	binary.BigEndian.PutUint64(e.payload[e.tagAt:], e.tag)
	return appendFrame(dst, frameMethod, e.channel, e.payload)
}

// content appends frames of content as they came.
func (e *echo) content(dst, frames []byte) []byte {
	if e.consumer == "" {
		e.early = append(e.early, frames...)
		return dst
	}
	at := len(dst)
	dst = append(dst, frames...)
	for at < len(dst) {
		binary.BigEndian.PutUint16(dst[at+1:], e.channel)
		at += int(binary.BigEndian.Uint32(dst[at+3:])) + 8
	}
	return dst
}
