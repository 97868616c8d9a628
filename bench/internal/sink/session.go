package sink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"
)

// frameMax is what the sink proposes; clients may ask for less.
const frameMax = 128 << 10

// session is one client. Its reader owns all but what a stream locks.
type session struct {
	conn      net.Conn
	greeted   bool
	options   options
	skip      int // bytes to come of a body frame, its end octet included
	published uint32
	bytes     uint32 // of published bodies
	acked     uint32
	channels  map[uint16]*channel
	dirty     []*channel // have confirms to send
	asked     bool       // something beside publishes came
	echo      *echo
	out       []byte // what a lot of input is answered with
	frameMax  int
	beat      *time.Timer
}

type channel struct {
	id        uint16
	confirms  bool
	dirty     bool
	published uint64
	confirmed uint64
	prefetch  int
	tags      int       // of consumers, that were made up
	streams   []*stream // only one of them, when it has a prefetch
}

func newSession(c net.Conn) *session {
	return &session{conn: c, channels: map[uint16]*channel{}, frameMax: frameMax}
}

func (s *session) stop() {
	if s.beat != nil {
		s.beat.Stop()
	}
	for _, ch := range s.channels {
		ch.stop()
	}
}

func (ch *channel) stop() {
	for _, st := range ch.streams {
		st.stop()
	}
	ch.streams = nil
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
			if s.skip -= n; s.skip == 0 && p[n-1] != frameEnd {
				return 0, errFrameEnd
			}
			p = p[n:]
			continue
		}
		if len(p) < 7 {
			break
		}
		size := int(binary.BigEndian.Uint32(p[3:])) + 8
		if size > s.frameMax {
			return 0, fmt.Errorf("a frame of %d bytes", size)
		}
		if p[0] == frameBody && s.echo == nil {
			s.skip = size - 7
			s.bytes += uint32(size - 8)
			p = p[7:]
			continue
		}
		if len(p) < size {
			break
		}
		if err := s.frame(p[:size]); err != nil {
			s.flush()
			return 0, err
		}
		p = p[size:]
	}
	s.confirm()
	return all - len(p), s.flush()
}

// errFrameEnd is a frame that does not end where it says.
var errFrameEnd = errors.New("a frame without its end octet")

// frame takes one that is whole.
func (s *session) frame(p []byte) error {
	switch {
	case p[len(p)-1] != frameEnd:
		return errFrameEnd
	case p[0] == frameMethod:
		return s.method(binary.BigEndian.Uint16(p[1:]), p[7:len(p)-1])
	case s.echo != nil && p[0] != frameHeartbeat:
		s.out = s.echo.content(s.out, p)
	case p[0] != frameHeader && p[0] != frameBody && p[0] != frameHeartbeat:
		return fmt.Errorf("a frame of type %d", p[0])
	}
	return nil
}

// confirm tells of all that a lot of input has published.
func (s *session) confirm() {
	held := s.dirty[:0]
	for _, ch := range s.dirty {
		if !s.asked && ch.published-ch.confirmed < s.options.hold {
			held = append(held, ch)
			continue
		}
		args := binary.BigEndian.AppendUint64(nil, ch.published)
		s.send(ch.id, basicAck, append(args, 1))
		ch.confirmed, ch.dirty = ch.published, false
	}
	s.dirty, s.asked = held, false
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
	s.out = appendFrame(s.out, frameMethod, channel, append(binary.BigEndian.AppendUint32(nil, method), args...))
}

// method answers one.
func (s *session) method(id uint16, payload []byte) error {
	args := arguments{rest: payload}
	method := args.uint32()
	switch {
	case args.short:
		return errShort
	case method == basicPublish: // by far the most frequent
		return s.publish(id)
	case id == 0:
		return s.connectionMethod(method, &args)
	}
	return s.channelMethod(id, method, &args)
}

func (s *session) publish(id uint16) error {
	ch := s.channels[id]
	if ch == nil {
		return fmt.Errorf("publish on channel %d, which is not open", id)
	}
	s.published++
	ch.published++
	if ch.confirms && !ch.dirty {
		ch.dirty = true
		s.dirty = append(s.dirty, ch)
	}
	if s.echo != nil {
		s.out = s.echo.method(s.out)
	}
	return nil
}
