package sink

import (
	"encoding/binary"
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

func (s *session) connectionMethod(method uint32, args []byte) (err error) {
	switch method {
	case connectionStartOk:
		tune := binary.BigEndian.AppendUint16(nil, 2047)
		tune = binary.BigEndian.AppendUint32(tune, frameMax)
		s.send(0, connectionTune, binary.BigEndian.AppendUint16(tune, 60))
	case connectionTuneOk:
		if n := int(binary.BigEndian.Uint32(args[2:])); n > 0 {
			s.frameMax = min(s.frameMax, n)
		}
		s.heartbeats(time.Duration(binary.BigEndian.Uint16(args[6:])) * time.Second)
	case connectionOpen:
		s.options, err = parseOptions(string(args[1 : 1+args[0]]))
		s.send(0, connectionOpenOk, shortString(nil, ""))
	case connectionClose:
		s.send(0, connectionCloseOk, nil)
		return io.EOF
	default:
		return fmt.Errorf("method %d.%d", method>>16, method&0xFFFF)
	}
	return err
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
