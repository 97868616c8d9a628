package sink

import (
	"encoding/binary"
	"fmt"
	"slices"
)

func (s *session) channelMethod(id uint16, method uint32, args *arguments) error {
	s.asked = true
	if method == channelOpen && s.channels[id] == nil {
		s.channels[id] = &channel{id: id}
		s.send(id, channelOpenOk, longString(nil, ""))
		return nil
	}
	ch := s.channels[id]
	if ch == nil {
		return fmt.Errorf("method %d.%d on channel %d, which is not open", method>>16, method&0xFFFF, id)
	}
	switch method {
	case channelClose:
		ch.stop()
		delete(s.channels, id)
		s.send(id, channelCloseOk, nil)
	case channelCloseOk:
	case confirmSelect:
		ch.confirms = true
		s.send(id, confirmSelectOk, nil)
	case queueDeclare:
		return s.declare(id, args)
	case basicQos:
		args.uint32() // the size of a window, which brokers know none of
		ch.prefetch = int(args.uint16())
		s.send(id, basicQosOk, nil)
	case basicConsume:
		return s.consume(ch, args)
	case basicCancel:
		tag := args.text()
		s.cancel(ch, tag)
		s.send(id, basicCancelOk, shortString(nil, tag))
	case basicAck:
		tag, multiple := args.uint64(), args.octet()&1 != 0
		if args.short {
			return errShort
		}
		return s.ack(ch, tag, multiple)
	default:
		return fmt.Errorf("method %d.%d", method>>16, method&0xFFFF)
	}
	return args.err()
}

// declare tells what the connection has done.
func (s *session) declare(id uint16, args *arguments) error {
	args.uint16()
	name := args.text()
	if err := args.err(); err != nil {
		return err
	}
	if name == pingpong && s.echo == nil {
		s.echo = &echo{}
	}
	reply := shortString(nil, name)
	reply = binary.BigEndian.AppendUint32(reply, s.published)
	s.send(id, queueDeclareOk, binary.BigEndian.AppendUint32(reply, max(s.acked, s.bytes)))
	return nil
}

func (s *session) ack(ch *channel, tag uint64, multiple bool) error {
	for _, st := range ch.streams {
		n, err := st.acked(tag, multiple)
		if err != nil {
			return err
		}
		s.acked += uint32(n)
	}
	return nil
}

// pingpong is the queue whose consumer is sent what its connection publishes.
const pingpong = "pingpong"

// consume starts a consumer, as the queue's name says.
func (s *session) consume(ch *channel, args *arguments) (err error) {
	args.uint16()
	queue, tag, flags := args.text(), args.text(), args.octet()
	if err := args.err(); err != nil {
		return err
	}
	if tag == "" {
		ch.tags++
		tag = fmt.Sprintf("amq.ctag-%d", ch.tags)
	}
	s.send(ch.id, basicConsumeOk, shortString(nil, tag))
	if queue == pingpong {
		if s.echo == nil {
			s.echo = &echo{}
		}
		s.out, err = s.echo.join(s.out, ch.id, tag)
		return err
	}
	prefetch := ch.prefetch
	if flags&0b10 != 0 { // no-ack
		prefetch = 0
	}
	count, size, properties, ok := parseQueue(queue)
	if !ok {
		return nil // a queue in which nothing ever comes
	}
	if prefetch > 0 && len(ch.streams) > 0 {
		return fmt.Errorf("a second consumer on channel %d, and not all without acks", ch.id)
	}
	if err := s.flush(); err != nil { // before anything is delivered
		return err
	}
	st := newStream(s.conn, tag, prefetch)
	st.prepare(ch.id, size, s.frameMax, properties)
	ch.streams = append(ch.streams, st)
	go st.run(count)
	return nil
}

// largestBody bounds the memory that a queue's name can ask for.
const largestBody = 1 << 28

// parseQueue reads "1000x64" and "1000x64p".
func parseQueue(name string) (count, size int, properties []byte, ok bool) {
	properties = []byte{0, 0}
	var kind string
	if n, _ := fmt.Sscanf(name, "%dx%d%s", &count, &size, &kind); n < 2 || count < 0 || size < 0 || size > largestBody {
		return 0, 0, nil, false
	}
	if kind == "p" {
		properties = Properties()
	}
	return count, size, properties, kind == "" || kind == "p"
}

func (s *session) cancel(ch *channel, tag string) {
	ch.streams = slices.DeleteFunc(ch.streams, func(st *stream) bool {
		if st.consumer == tag {
			st.stop()
		}
		return st.consumer == tag
	})
	if s.echo != nil && s.echo.consumer == tag {
		s.echo = nil
	}
}
