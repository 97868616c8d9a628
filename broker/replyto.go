package broker

import (
	"strings"

	"github.com/haypile/haypile/broker/internal/queue"
	"github.com/haypile/haypile/core/wire"
)

// replyToName is the queue that is none: consuming from it, and naming it in
// reply-to, has replies go straight to the channel that asked
// (https://www.rabbitmq.com/docs/direct-reply-to).
const replyToName = "amq.rabbitmq.reply-to"

// replyTo is a channel's consumer of direct replies.
type replyTo struct {
	channel *channel
	tag     string
	key     string // the routing key of replies
}

func (ch *channel) consumeReplies(m *wire.BasicConsume) *exception {
	switch {
	case !m.NoAck:
		return raise(wire.PreconditionFailed, "reply consumer cannot acknowledge")
	case ch.reply != nil:
		return raise(wire.PreconditionFailed, "reply consumer already set")
	}
	if m.ConsumerTag == "" {
		m.ConsumerTag = serverName("amq.ctag")
	}
	ch.reply = &replyTo{channel: ch, tag: m.ConsumerTag, key: replyKey()}
	ch.session.broker.replies[ch.reply.key] = ch.reply
	return ch.answer(m.NoWait, &wire.BasicConsumeOk{ConsumerTag: m.ConsumerTag})
}

// replyKey makes a key such as RabbitMQ's, which has bytes in it that are no letters.
func replyKey() string { return serverName(replyToName+".g1") + "==." + serverName("r") + "==" }

// declareReply answers a declaration of the queue that is none: it is there while
// somebody waits for replies on it.
func (ch *channel) declareReply(m *wire.QueueDeclare) *exception {
	if m.Queue != replyToName && ch.session.broker.replies[m.Queue] == nil {
		return ch.session.vhost.noQueue(m.Queue)
	}
	ch.lastQueue = m.Queue
	return ch.answer(m.NoWait, &wire.QueueDeclareOk{Queue: m.Queue, ConsumerCount: 1})
}

func (ch *channel) dropReply() {
	if ch.reply != nil {
		delete(ch.session.broker.replies, ch.reply.key)
		ch.reply = nil
	}
}

// nameReply puts the key of the channel's replies into a request.
func (ch *channel) nameReply(raw wire.RawProperties) (wire.RawProperties, bool, *exception) {
	to, _ := raw.Field(wire.HasReplyTo)
	if string(to) != replyToName {
		return raw, false, nil
	}
	if ch.reply == nil {
		return nil, false, raise(wire.PreconditionFailed, "fast reply consumer does not exist")
	}
	return rewrite(raw, func(p *wire.Properties) { p.ReplyTo = ch.reply.key })
}

// deliverReplies delivers a message to those whose replies it is. It has still not
// been routed to a queue, as far as mandatory goes.
func (b *Broker) deliverReplies(m *queue.Message, keys []string) {
	for _, key := range keys {
		if !strings.HasPrefix(key, replyToName) {
			continue
		}
		if r := b.replies[key]; r != nil {
			r.channel.nextTag++
			r.channel.push(output{kind: outDeliver, message: m, tag: r.channel.nextTag, text: r.tag})
		}
	}
}
