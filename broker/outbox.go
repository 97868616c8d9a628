package broker

import (
	"errors"
	"strings"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// outputKind is what an output becomes on the wire.
type outputKind uint8

const (
	outMethod  outputKind = iota // without content: a reply, a cancel
	outRule                      // a method that a rule of On answers with
	outAck                       // a confirm
	outNack                      // a confirm that is none
	outDeliver                   // to a consumer
	outGetOk                     // an answer to basic.get
	outReturn                    // of a mandatory message
	outFail                      // an exception, of the channel or the connection
	outBlock                     // connection.blocked, and reading rests
	outUnblock
	outClose // the connection, in good order
	outAbort // the transport, without a word
)

// output is one thing for a client. Replies, confirms and deliveries wait in one
// queue, so that they leave in the order in which the state changed.
type output struct {
	kind       outputKind
	flag       bool // multiple, or redelivered
	channel    *channel
	method     wire.Method
	message    *queue.Message
	properties wire.RawProperties // instead of the message's
	tag        uint64
	text       string // the consumer's tag, a reply text, a reason
	count      uint32
	code       wire.Code
	about      wire.MethodID
}

// Limits of what waits for a client in its outbox, besides what core buffers.
const (
	coreRoom    = 1 << 20   // bytes that core buffers
	outboxRoom  = 256 << 10 // bytes above which consumers get nothing more
	outboxMost  = 1 << 17   // outputs above which a client that does not read is dropped
	outboxShare = 8         // and what part of the memory limit they may be, as the answers to basic.get and direct replies
	outputCost  = 64        // bytes that an output counts besides its message
)

// outbox is what waits for a client. It is under Broker.mu but for stuck and
// spare, which belong to the loop.
type outbox struct {
	waiting []output
	bytes   int
	listed  bool        // among those to be notified
	choked  bool        // core takes no more
	starved []*consumer // that wait for room, in the order in which they came to
	stuck   []output
	spare   []output
	wakes   []*session
}

func (o *outbox) hasRoom() bool { return !o.choked && o.bytes < outboxRoom }

// push has an output leave after all before it. It is the one way out for all
// that the state has to say.
func (s *session) push(o output) {
	if s.gone {
		return
	}
	s.out.waiting = append(s.out.waiting, o)
	s.out.bytes += outputCost
	if o.message != nil {
		s.out.bytes += len(o.message.Body) + len(o.message.Properties)
	}
	if !s.out.listed {
		s.out.listed = true
		s.broker.wakes = append(s.broker.wakes, s)
	}
}

// starve notes a consumer that waits for room.
func (o *outbox) starve(c *consumer) {
	if !c.starved {
		c.starved = true
		o.starved = append(o.starved, c)
	}
}

// wakeStarved lets those have more that waited for room. It is false if there are
// none.
func (o *outbox) wakeStarved() bool {
	for _, c := range o.starved {
		c.starved = false
		c.wake()
	}
	woken := len(o.starved) > 0
	clear(o.starved)
	o.starved = o.starved[:0]
	return woken
}

// take takes what waits, for the loop to send. again tells that consumers who
// found no room are awake now.
func (s *session) take() (batch []output, again bool) {
	o := &s.out
	if o.choked {
		if len(o.waiting) > outboxMost || int64(o.bytes) > max(s.broker.settings.memory/outboxShare, 2*s.broker.settings.maxMessage) {
			s.push(output{kind: outAbort})
			s.gone = true
		}
		if !s.gone || len(o.waiting) == 0 {
			return nil, false
		}
		// Whoever does not read would not get to the end, either.
		end := len(o.waiting) - 1
		o.waiting = append(o.waiting[:0], o.waiting[end])
		o.choked, o.stuck = false, nil
	}
	s.about.traffic, s.about.buffered = s.core.Traffic(), s.core.Buffered()
	batch, o.waiting, o.spare = o.waiting, o.spare[:0], nil
	o.bytes = 0
	return batch, o.wakeStarved()
}

// flush sends a batch. It is false when core is full: then the rest waits for
// OnWritable, and nothing is read from the client that would add to it.
func (s *session) flush(batch []output) bool {
	for i := range batch {
		if errors.Is(s.send(&batch[i]), core.ErrBackpressure) {
			s.out.stuck = batch[i:]
			s.pause(pauseUnread)
			return false
		}
	}
	clear(batch)
	if cap(batch) <= keepOutputs {
		s.out.spare = batch[:0]
	}
	return true
}

// keepOutputs bounds the memory of an outbox that is kept.
const keepOutputs = 256

// send hands one output to core. That its channel or connection has ended
// meanwhile is no concern here: OnClose tells.
func (s *session) send(o *output) error {
	switch o.kind {
	case outMethod:
		return o.channel.core.Send(o.method)
	case outRule:
		return s.sendRule(o)
	case outAck:
		s.ack = wire.BasicAck{DeliveryTag: o.tag, Multiple: o.flag}
		return o.channel.core.Send(&s.ack)
	case outNack:
		return o.channel.core.Send(&wire.BasicNack{DeliveryTag: o.tag, Multiple: o.flag})
	case outDeliver, outGetOk, outReturn:
		return s.sendMessage(o)
	case outFail:
		if o.channel != nil {
			return o.channel.core.Fail(o.code, o.text, o.about)
		}
		return s.core.Fail(o.code, o.text, o.about)
	case outBlock:
		s.pause(pauseAlarm)
		return s.core.Block(o.text)
	case outUnblock:
		s.resume(pauseAlarm)
		return s.core.Unblock()
	case outClose:
		return s.core.Close(o.code, o.text)
	case outAbort:
		s.conn.Abort()
	}
	return nil
}

// pause is a set of reasons for not reading from a client.
type pause uint8

const (
	pauseAlarm  pause = 1 << iota // it has published under a memory alarm
	pauseUnread                   // it does not read what it has asked for
)

// pause has nothing more read from the client; it belongs to the loop, as resume
// does.
func (s *session) pause(why pause) {
	s.paused |= why
	s.conn.Pause(driver.PauseInbox)
}

func (s *session) resume(why pause) {
	if s.paused &^= why; s.paused == 0 {
		s.conn.Resume(driver.PauseInbox)
	}
}

func (s *session) sendMessage(o *output) error {
	m := o.message
	s.content = core.Content{RawProperties: m.Properties, Body: m.Body}
	if o.properties != nil {
		s.content.RawProperties = o.properties
	}
	defer func() { s.content = core.Content{} }()
	err := s.sendContent(o)
	if errors.Is(err, core.ErrFrameTooLarge) { // headers, which cannot be cut; the client must not wait for them
		_ = s.core.Fail(wire.FrameError, clip("FRAME_ERROR - "+strings.TrimPrefix(err.Error(), "amqp: ")), 0)
	}
	return err
}

// sendContent sends what sendMessage has put into content.
func (s *session) sendContent(o *output) error {
	m, ch := o.message, o.channel.core
	switch o.kind {
	case outGetOk:
		return ch.GetOk(&wire.BasicGetOk{
			DeliveryTag: o.tag, Redelivered: o.flag, Exchange: m.Exchange, RoutingKey: m.RoutingKey, MessageCount: o.count,
		}, &s.content)
	case outReturn:
		return ch.Return(&wire.BasicReturn{
			ReplyCode: wire.NoRoute, ReplyText: wire.NoRoute.String(), Exchange: m.Exchange, RoutingKey: m.RoutingKey,
		}, &s.content)
	}
	s.deliver = wire.BasicDeliver{
		ConsumerTag: o.text, DeliveryTag: o.tag, Redelivered: o.flag, Exchange: m.Exchange, RoutingKey: m.RoutingKey,
	}
	return ch.Deliver(&s.deliver, &s.content)
}
