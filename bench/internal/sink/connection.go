package sink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

func (s *session) start() {
	var able []byte
	for _, name := range []string{"publisher_confirms", "basic.nack", "consumer_cancel_notify", "connection.blocked", "authentication_failure_close"} {
		able = append(shortString(able, name), 't', 1)
	}
	properties := longString(append(shortString(nil, "capabilities"), 'F'), string(able))
	properties = longString(append(shortString(properties, "product"), 'S'), Product)
	args := longString([]byte{0, 9}, string(properties))
	args = longString(args, "PLAIN AMQPLAIN")
	s.send(0, connectionStart, longString(args, "en_US"))
}

func (s *session) connectionMethod(method uint32, args *arguments) (err error) {
	switch method {
	case connectionStartOk:
		tune := binary.BigEndian.AppendUint16(nil, 2047)
		tune = binary.BigEndian.AppendUint32(tune, frameMax)
		s.send(0, connectionTune, binary.BigEndian.AppendUint16(tune, 60))
	case connectionTuneOk:
		return s.tuned(args)
	case connectionOpen:
		vhost := args.text()
		if err := args.err(); err != nil {
			return err
		}
		s.options, err = parseOptions(vhost)
		s.send(0, connectionOpenOk, shortString(nil, ""))
	case connectionClose:
		s.send(0, connectionCloseOk, nil)
		return io.EOF
	default:
		return fmt.Errorf("method %d.%d", method>>16, method&0xFFFF)
	}
	return err
}

// frameMin is the least that a client may ask for.
const frameMin = 4 << 10

func (s *session) tuned(args *arguments) error {
	args.uint16()
	most, interval := int(args.uint32()), args.uint16()
	if most > 0 {
		s.frameMax = min(s.frameMax, most)
	}
	switch {
	case s.frameMax < frameMin:
		return fmt.Errorf("a frame-max of %d", most)
	case s.beat != nil:
		return errors.New("tuned twice")
	}
	s.heartbeats(time.Duration(interval) * time.Second)
	return args.err()
}

// heartbeats sends one each half interval, whatever else is sent. What the client
// sends is not looked at.
func (s *session) heartbeats(interval time.Duration) {
	if interval == 0 {
		return
	}
	beat := appendFrame(nil, frameHeartbeat, 0, nil)
	s.beat = time.AfterFunc(interval/2, func() {
		if _, err := s.conn.Write(beat); err == nil {
			s.beat.Reset(interval / 2)
		}
	})
}
