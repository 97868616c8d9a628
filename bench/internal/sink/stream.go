package sink

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"

	"github.com/haypile/haypile/bench/internal/body"
)

// stream sends deliveries to one consumer.
type stream struct {
	conn     net.Conn
	consumer string // its tag
	lot      []byte // deliveries, of which the tags are filled in
	tags     []int  // where they stand
	begin    int    // from a tag to its body
	end      int    // and to the end of that
	size     int    // of one delivery
	prefetch int    // 0: no limit

	mu      sync.Mutex
	credit  sync.Cond
	unacked int
	acks    uint64 // the last tag that was acknowledged
	sent    uint64 // the last that may have been
	stopped bool
}

func newStream(conn net.Conn, consumer string, prefetch int) *stream {
	st := &stream{conn: conn, consumer: consumer, prefetch: prefetch}
	st.credit.L = &st.mu
	return st
}

// lotSize bounds a write of deliveries, unless one alone is larger.
const lotSize = 64 << 10

// prepare makes a lot.
func (st *stream) prepare(channel uint16, size, frameMax int, properties []byte) {
	method, at := deliver(st.consumer)
	at += 7 // behind the head of the frame
	one := appendFrame(nil, frameMethod, channel, method)
	header := append(binary.BigEndian.AppendUint16(nil, 60), 0, 0)
	header = append(binary.BigEndian.AppendUint64(header, uint64(size)), properties...)
	one = appendFrame(one, frameHeader, channel, header)
	if size > 0 {
		st.begin = len(one) + 7 - at
	}
	for content := body.New(size); len(content) > 0; {
		n := min(len(content), frameMax-8)
		one = appendFrame(one, frameBody, channel, content[:n])
		content = content[n:]
		st.end = len(one) - 1 - at
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
			body.Number(st.lot[at+st.begin:at+st.end], tag)
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
	st.sent += uint64(n)
	return n
}

// acked is told of acks, and tells how many deliveries they are for. Those of many
// are for all since the last.
func (st *stream) acked(tag uint64, multiple bool) (n int, err error) {
	if st.prefetch == 0 {
		return 0, nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	n = 1
	if multiple {
		n = int(tag - st.acks)
	}
	if tag == 0 || tag > st.sent || n < 1 || n > st.unacked {
		return 0, fmt.Errorf("an ack for delivery %d of %d, of which %d have none", tag, st.sent, st.unacked)
	}
	st.acks = max(st.acks, tag)
	st.unacked -= n
	if st.unacked <= st.prefetch/2 {
		st.credit.Signal()
	}
	return n, nil
}

func (st *stream) stop() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.stopped = true
	st.credit.Signal()
}
