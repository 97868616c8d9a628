package sink

import (
	"encoding/binary"
	"fmt"
	"slices"
)

func (s *session) channelMethod(id uint16, method uint32, args []byte) error {
	s.asked = true
	if method == channelOpen {
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
		name := string(args[3 : 3+args[2]])
		if name == pingpong && s.echo == nil {
			s.echo = &echo{}
		}
		reply := shortString(nil, name)
		reply = binary.BigEndian.AppendUint32(reply, s.published)
		s.send(id, queueDeclareOk, binary.BigEndian.AppendUint32(reply, max(s.acked, s.bytes)))
	case basicQos:
		ch.prefetch = int(binary.BigEndian.Uint16(args[4:]))
		s.send(id, basicQosOk, nil)
	case basicConsume:
		return s.consume(ch, args)
	case basicCancel:
		s.cancel(ch, string(args[1:1+args[0]]))
		s.send(id, basicCancelOk, args[:1+args[0]])
	case basicAck:
		for _, st := range ch.streams {
			s.acked += uint32(st.acked(binary.BigEndian.Uint64(args), args[8]&1 != 0))
		}
	default:
		return fmt.Errorf("method %d.%d", method>>16, method&0xFFFF)
	}
	return nil
}

// pingpong is the queue whose consumer is sent what its connection publishes.
const pingpong = "pingpong"

// consume starts a consumer, as the queue's name says.
func (s *session) consume(ch *channel, args []byte) (err error) {
	queue := string(args[3 : 3+args[2]])
	rest := args[3+args[2]:]
	tag, flags := string(rest[1:1+rest[0]]), rest[1+rest[0]]
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
	st := &stream{conn: s.conn, consumer: tag, prefetch: ch.prefetch}
	if flags&0b10 != 0 { // no-ack
		st.prefetch = 0
	}
	count, size, properties, ok := parseQueue(queue)
	if !ok {
		return nil // a queue in which nothing ever comes
	}
	if st.prefetch > 0 && len(ch.streams) > 0 {
		return fmt.Errorf("a second consumer on channel %d, and not all without acks", ch.id)
	}
	if err := s.flush(); err != nil { // before anything is delivered
		return err
	}
	st.credit.L = &st.mu
	st.prepare(ch.id, size, s.frameMax, properties)
	ch.streams = append(ch.streams, st)
	go st.run(count)
	return nil
}

// parseQueue reads "1000x64" and "1000x64p".
func parseQueue(name string) (count, size int, properties []byte, ok bool) {
	properties = []byte{0, 0}
	var kind string
	if n, _ := fmt.Sscanf(name, "%dx%d%s", &count, &size, &kind); n < 2 || count < 0 || size < 0 {
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
