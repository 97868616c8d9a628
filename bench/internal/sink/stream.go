package sink

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
)

// stream sends deliveries to one consumer. Its methods may be called on nil.
type stream struct {
	conn     net.Conn
	lot      []byte // deliveries, of which the tags are filled in
	tags     []int  // where they stand
	size     int    // of one delivery
	prefetch int    // 0: no limit

	mu      sync.Mutex
	credit  sync.Cond
	unacked int
	last    uint64 // tag that was acknowledged
	stopped bool
}

// lotSize bounds a write of deliveries, unless one alone is larger.
const lotSize = 64 << 10

// consume starts a stream, as the queue's name says.
func (s *session) consume(ch *channel, args []byte) error {
	queue := string(args[3 : 3+args[2]])
	rest := args[3+args[2]:]
	tag, flags := string(rest[1:1+rest[0]]), rest[1+rest[0]]
	if tag == "" {
		tag = "amq.ctag-sink"
	}
	var count, size int
	if _, err := fmt.Sscanf(queue, "%dx%d", &count, &size); err != nil || count < 0 || size < 0 {
		s.send(ch.id, basicConsumeOk, shortString(nil, tag))
		return nil // a queue in which nothing ever comes
	}
	s.send(ch.id, basicConsumeOk, shortString(nil, tag))
	if err := s.flush(); err != nil {
		return err
	}
	st := &stream{conn: s.conn, prefetch: ch.prefetch}
	if flags&0b10 != 0 { // no-ack
		st.prefetch = 0
	}
	st.credit.L = &st.mu
	st.prepare(ch.id, tag, size, s.frameMax)
	ch.stream = st
	go st.run(count)
	return nil
}

// prepare makes a lot.
func (st *stream) prepare(channel uint16, tag string, size, frameMax int) {
	method := binary.BigEndian.AppendUint32(nil, basicDeliver)
	method = shortString(method, tag)
	at := 7 + len(method)
	method = append(binary.BigEndian.AppendUint64(method, 0), 0) // not redelivered
	method = shortString(shortString(method, ""), "key")
	one := appendFrame(nil, 1, channel, method)
	header := append(binary.BigEndian.AppendUint16(nil, 60), 0, 0)
	header = append(binary.BigEndian.AppendUint64(header, uint64(size)), 0, 0)
	one = appendFrame(one, 2, channel, header)
	for left := size; left > 0; {
		n := min(left, frameMax-8)
		one = appendFrame(one, 3, channel, make([]byte, n))
		left -= n
	}
	st.size = len(one)
	for range max(1, lotSize/len(one)) {
		st.tags = append(st.tags, len(st.lot)+at)
		st.lot = append(st.lot, one...)
	}
}

// run sends count deliveries.
func (st *stream) run(count int) {
	tag := uint64(0)
	for count > 0 {
		n := st.await(min(count, len(st.tags)))
		if n == 0 {
			return
		}
		for _, at := range st.tags[:n] {
			tag++
			binary.BigEndian.PutUint64(st.lot[at:], tag)
		}
		if _, err := st.conn.Write(st.lot[:n*st.size]); err != nil {
			return // the client is gone
		}
		count -= n
	}
}

// await waits until the prefetch leaves room, for at most n; 0 for the end. It
// waits for a part of the prefetch and not for every single ack, as a broker
// under load does.
func (st *stream) await(n int) int {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.prefetch == 0 {
		if st.stopped {
			return 0
		}
		return n
	}
	for !st.stopped && st.unacked > st.prefetch/2 {
		st.credit.Wait()
	}
	if st.stopped {
		return 0
	}
	n = min(n, st.prefetch-st.unacked)
	st.unacked += n
	return n
}

// acked is told of acks. Tags are acknowledged in order.
func (st *stream) acked(tag uint64, multiple bool) {
	if st == nil || st.prefetch == 0 {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	n := 1
	if multiple {
		n = int(tag - st.last)
	}
	st.last = tag
	st.unacked -= n
	if st.unacked <= st.prefetch/2 {
		st.credit.Signal()
	}
}

func (st *stream) stop() {
	if st == nil {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.stopped = true
	st.credit.Signal()
}
