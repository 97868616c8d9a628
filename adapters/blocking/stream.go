package blocking

import (
	"cmp"
	"slices"
)

// streamOffset is the header that says where a message is in its stream, and the
// consumer's argument that says where to begin.
// https://www.rabbitmq.com/docs/streams#consuming
const streamOffset = "x-stream-offset"

// place is where a consumer is in a stream. Streams, unlike queues, do not know: a
// consumer that is started again gets what its argument asks for. It is used on the
// loop.
type place struct {
	known     bool // whether it is a stream
	stream    bool
	next      int64       // the offset behind all that were delivered
	unsettled []delivered // of these, in order
}

type delivered struct {
	tag    uint64
	offset int64
}

// delivered notes a message. Whether it is of a stream, the first one tells.
func (p *place) delivered(d *Delivery) {
	if p.known && !p.stream {
		return
	}
	headers, _ := d.Properties.Headers()
	value, _, _ := headers.Field(streamOffset) // headers that cannot be read are the program's to find out
	offset, ok := value.Int64()
	if p.known, p.stream = true, p.stream || ok; !ok {
		return
	}
	p.next = offset + 1
	if !d.Settled() {
		p.unsettled = append(p.unsettled, delivered{d.DeliveryTag, offset})
	}
}

// settled notes that a message has been settled.
func (p *place) settled(tag uint64) {
	i, ok := slices.BinarySearchFunc(p.unsettled, tag, func(d delivered, tag uint64) int { return cmp.Compare(d.tag, tag) })
	if ok {
		p.unsettled = slices.Delete(p.unsettled, i, i+1)
	}
}

// lose goes back to the first message that was not settled.
func (p *place) lose() {
	if len(p.unsettled) > 0 {
		p.next = p.unsettled[0].offset
	}
	p.unsettled = nil
}

// lose drops what cannot be settled any more, and has the consumer, if it is
// started again, begin with it.
func (k *consumer) lose() {
	k.inbox.lose()
	if k.place.lose(); !k.place.stream {
		return
	}
	if k.request.Arguments == nil {
		k.request.Arguments = Table{}
	}
	k.request.Arguments[streamOffset] = k.place.next
}
