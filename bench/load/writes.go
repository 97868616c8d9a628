package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
)

// raw is a connection with as little around it as the protocol allows.
type raw struct {
	net.Conn
	in *bufio.Reader
	mu sync.Mutex // of writes
}

// frame is a method frame on a channel.
func frame(channel uint16, class, method uint16, args ...byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{1}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(4+len(args)))
	b = binary.BigEndian.AppendUint16(b, class)
	b = binary.BigEndian.AppendUint16(b, method)
	return append(append(b, args...), 0xCE)
}

// openRaw shakes hands as guest and opens channel 1.
func openRaw(ctx context.Context, address string) (*raw, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	r := &raw{Conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	for _, step := range [][]byte{
		[]byte("AMQP\x00\x00\x09\x01"),
		frame(0, 10, 11, []byte("\x00\x00\x00\x00\x05PLAIN\x00\x00\x00\x0c\x00guest\x00guest\x05en_US")...),
		append(frame(0, 10, 31, 0, 0, 0, 2, 0, 0, 0, 0), frame(0, 10, 40, 1, '/', 0, 0)...),
		frame(1, 20, 10, 0),
	} {
		if _, err := conn.Write(step); err != nil {
			return nil, err
		}
		if _, _, err := r.next(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// next is the next frame.
func (r *raw) next() (kind byte, payload []byte, err error) {
	header, err := r.in.Peek(7)
	if err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint32(header[3:]))
	whole, err := r.in.Peek(7 + n + 1)
	if err == bufio.ErrBufferFull { // a body that nobody looks at
		kind = header[0]
		_, err = r.in.Discard(7 + n + 1)
		return kind, nil, err
	}
	if err != nil {
		return 0, nil, err
	}
	kind, payload = whole[0], whole[7:7+n]
	_, err = r.in.Discard(len(whole)) // payload is valid until the next Peek
	return kind, payload, err
}

func (r *raw) write(p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.Conn.Write(p)
	return err
}

// message is a publish to the default exchange.
func message(size int) []byte {
	b := frame(1, 60, 40, append([]byte{0, 0, 0, 7}, "counter\x00"...)...)
	b = append(b, 2, 0, 1, 0, 0, 0, 14, 0, 60, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	b = append(b, 0, 0, 0xCE)
	for left := size; left > 0; {
		n := min(left, 128<<10-8)
		b = binary.BigEndian.AppendUint32(append(b, 3, 0, 1), uint32(n))
		b = append(append(b, make([]byte, n)...), 0xCE)
		left -= n
	}
	return b
}

// writePublishes makes one write of each message.
func writePublishes(ctx context.Context, j job, begin func()) error {
	r, err := openRaw(ctx, j.url)
	if err != nil {
		return err
	}
	defer r.Close()
	one := message(j.size)
	begin()
	var wg sync.WaitGroup
	errs := make(chan error, j.publishers)
	for i := range j.publishers {
		wg.Go(func() {
			for range share(j.n, j.publishers, i) {
				if err := r.write(one); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	if err := r.write(frame(1, 50, 10, append([]byte("\x00\x00\x07counter\x01"), 0, 0, 0, 0)...)); err != nil {
		return err
	}
	_, payload, err := r.next()
	if err != nil {
		return err
	}
	if got := binary.BigEndian.Uint32(payload[4+8:]); int(got) != j.n {
		return fmt.Errorf("the broker counted %d of %d messages", got, j.n)
	}
	return nil
}

// writeAcks makes one write of each ack.
func writeAcks(ctx context.Context, j job, begin func()) error {
	r, err := openRaw(ctx, j.url)
	if err != nil {
		return err
	}
	defer r.Close()
	begin()
	queue := fmt.Sprintf("%dx%d", j.n, j.size)
	consume := append([]byte{0, 0, byte(len(queue))}, queue...)
	start := append(frame(1, 60, 10, 0, 0, 0, 0, prefetch>>8, prefetch&0xFF, 0), frame(1, 60, 20, append(consume, 0, 0, 0, 0, 0, 0)...)...)
	if err := r.write(start); err != nil {
		return err
	}
	for acked := 0; acked < j.n; {
		kind, payload, err := r.next()
		if err != nil {
			return io.ErrUnexpectedEOF
		}
		if kind != 1 || !bytes.HasPrefix(payload, []byte{0, 60, 0, 60}) {
			continue
		}
		tag := payload[5+payload[4]:]
		if err := r.write(frame(1, 60, 80, append(bytes.Clone(tag[:8]), 0)...)); err != nil {
			return err
		}
		acked++
	}
	return nil
}
