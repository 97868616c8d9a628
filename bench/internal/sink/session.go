package sink

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Methods, as class<<16 | method.
const (
	connectionStart   = 10<<16 | 10
	connectionStartOk = 10<<16 | 11
	connectionTune    = 10<<16 | 30
	connectionTuneOk  = 10<<16 | 31
	connectionOpen    = 10<<16 | 40
	connectionOpenOk  = 10<<16 | 41
	connectionClose   = 10<<16 | 50
	connectionCloseOk = 10<<16 | 51
	channelOpen       = 20<<16 | 10
	channelOpenOk     = 20<<16 | 11
	channelClose      = 20<<16 | 40
	channelCloseOk    = 20<<16 | 41
	queueDeclare      = 50<<16 | 10
	queueDeclareOk    = 50<<16 | 11
	basicQos          = 60<<16 | 10
	basicQosOk        = 60<<16 | 11
	basicConsume      = 60<<16 | 20
	basicConsumeOk    = 60<<16 | 21
	basicCancel       = 60<<16 | 30
	basicCancelOk     = 60<<16 | 31
	basicPublish      = 60<<16 | 40
	basicDeliver      = 60<<16 | 60
	basicAck          = 60<<16 | 80
	confirmSelect     = 85<<16 | 10
	confirmSelectOk   = 85<<16 | 11
)

// frameMax is what the sink proposes; clients may ask for less.
const frameMax = 128 << 10

// session is one client. Its reader owns all but what a stream locks.
type session struct {
	conn      net.Conn
	greeted   bool
	skip      int // bytes to come of a body frame, its end octet included
	published uint32
	channels  map[uint16]*channel
	dirty     []*channel // have confirms to send
	out       []byte     // what a lot of input is answered with
	frameMax  int
}

type channel struct {
	id        uint16
	confirms  bool
	published uint64
	confirmed uint64
	prefetch  int
	stream    *stream
}

func newSession(c net.Conn) *session {
	return &session{conn: c, channels: map[uint16]*channel{}, frameMax: frameMax}
}

func (s *session) stop() {
	for _, ch := range s.channels {
		ch.stream.stop()
	}
}

// input takes whole frames off p, and bodies as they come, and answers.
func (s *session) input(p []byte) (used int, err error) {
	all := len(p)
	if !s.greeted {
		if len(p) < 8 {
			return 0, nil
		}
		if !bytes.Equal(p[:8], []byte("AMQP\x00\x00\x09\x01")) {
			return 0, fmt.Errorf("protocol header %q", p[:8])
		}
		s.greeted = true
		p = p[8:]
		s.start()
	}
	for len(p) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(p))
			s.skip -= n
			p = p[n:]
			continue
		}
		if len(p) < 7 {
			break
		}
		size := int(binary.BigEndian.Uint32(p[3:])) + 8
		if p[0] == 3 { // body
			s.skip = size - 7
			p = p[7:]
			continue
		}
		if len(p) < size {
			break
		}
		if p[0] == 1 {
			if err := s.method(binary.BigEndian.Uint16(p[1:]), p[7:size-1]); err != nil {
				s.flush()
				return 0, err
			}
		}
		p = p[size:]
	}
	s.confirm()
	return all - len(p), s.flush()
}

// confirm tells of all that a lot of input has published.
func (s *session) confirm() {
	for _, ch := range s.dirty {
		args := binary.BigEndian.AppendUint64(nil, ch.published)
		s.send(ch.id, basicAck, append(args, 1))
		ch.confirmed = ch.published
	}
	s.dirty = s.dirty[:0]
}

func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}

// send answers with a method.
func (s *session) send(channel uint16, method uint32, args []byte) {
	s.out = appendFrame(s.out, 1, channel, append(binary.BigEndian.AppendUint32(nil, method), args...))
}

func appendFrame(dst []byte, kind byte, channel uint16, payload []byte) []byte {
	dst = append(dst, kind)
	dst = binary.BigEndian.AppendUint16(dst, channel)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	dst = append(dst, payload...)
	return append(dst, 0xCE)
}

func shortString(dst []byte, s string) []byte { return append(append(dst, byte(len(s))), s...) }

func longString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

func (s *session) start() {
	var able []byte
	for _, name := range []string{"publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked", "authentication_failure_close"} {
		able = append(shortString(able, name), 't', 1)
	}
	properties := longString(append(shortString(nil, "capabilities"), 'F'), string(able))
	args := longString([]byte{0, 9}, string(properties))
	args = longString(args, "PLAIN AMQPLAIN")
	s.send(0, connectionStart, longString(args, "en_US"))
}

// method answers one.
func (s *session) method(id uint16, payload []byte) error {
	method, args := binary.BigEndian.Uint32(payload), payload[4:]
	if method == basicPublish { // by far the most frequent
		s.published++
		ch := s.channels[id]
		if ch == nil {
			return fmt.Errorf("publish on channel %d, which is not open", id)
		}
		ch.published++
		if ch.confirms && ch.published == ch.confirmed+1 {
			s.dirty = append(s.dirty, ch)
		}
		return nil
	}
	if id == 0 {
		return s.connectionMethod(method, args)
	}
	return s.channelMethod(id, method, args)
}

func (s *session) connectionMethod(method uint32, args []byte) error {
	switch method {
	case connectionStartOk:
		tune := binary.BigEndian.AppendUint16(nil, 2047)
		tune = binary.BigEndian.AppendUint32(tune, frameMax)
		s.send(0, connectionTune, binary.BigEndian.AppendUint16(tune, 60))
	case connectionTuneOk:
		if n := int(binary.BigEndian.Uint32(args[2:])); n > 0 {
			s.frameMax = min(s.frameMax, n)
		}
	case connectionOpen:
		s.send(0, connectionOpenOk, shortString(nil, ""))
	case connectionClose:
		s.send(0, connectionCloseOk, nil)
		return io.EOF
	default:
		return fmt.Errorf("method %d.%d", method>>16, method&0xFFFF)
	}
	return nil
}

func (s *session) channelMethod(id uint16, method uint32, args []byte) error {
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
		ch.stream.stop()
		delete(s.channels, id)
		s.send(id, channelCloseOk, nil)
	case confirmSelect:
		ch.confirms = true
		s.send(id, confirmSelectOk, nil)
	case queueDeclare:
		name := string(args[3 : 3+args[2]])
		reply := binary.BigEndian.AppendUint32(shortString(nil, name), s.published)
		s.send(id, queueDeclareOk, binary.BigEndian.AppendUint32(reply, 0))
	case basicQos:
		ch.prefetch = int(binary.BigEndian.Uint16(args[4:]))
		s.send(id, basicQosOk, nil)
	case basicConsume:
		return s.consume(ch, args)
	case basicCancel:
		ch.stream.stop()
		s.send(id, basicCancelOk, args[:1+args[0]])
	case basicAck:
		ch.stream.acked(binary.BigEndian.Uint64(args), args[8]&1 != 0)
	default:
		return fmt.Errorf("method %d.%d", method>>16, method&0xFFFF)
	}
	return nil
}
