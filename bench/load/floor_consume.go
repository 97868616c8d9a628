package main

import (
	"encoding/binary"
	"time"

	"github.com/haypile/haypile/bench/internal/body"
)

func (f *floorClient) subscribe(n int) error {
	queue := f.j.source(n)
	args := append([]byte{0, 0, byte(len(queue))}, queue...)
	flags := byte(0b10) // no ack
	if f.j.acks() {
		flags = 0
	}
	_, err := f.Write(floorFrame(1, 60, 20, append(args, 0, flags, 0, 0, 0, 0)...))
	return err
}

// consume writes the acks for what a read has brought at once.
func (f *floorClient) consume(n int) error {
	if err := f.subscribe(n); err != nil {
		return err
	}
	acks, got := []byte(nil), 0
	took := func(m []byte) bool {
		if m[1] != 60 || m[3] != 60 {
			return true
		}
		got++
		tag := m[5+int(m[4]):]
		switch {
		case f.j.mode == modeAck:
			acks = f.appendAck(acks, tag, 0)
		case f.j.mode == modeMulti && (got%multiple == 0 || got == n):
			acks = f.appendAck(acks, tag, 1)
		}
		return true
	}
	for f.bytes < n*f.j.size || got < n {
		if err := f.frames(took); err != nil {
			return err
		}
		if len(acks) > 0 {
			if _, err := f.Write(acks); err != nil {
				return err
			}
			acks = acks[:0]
		}
	}
	return nil
}

func (f *floorClient) appendAck(dst, tag []byte, multiple byte) []byte {
	dst = append(dst, 1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 80)
	dst = binary.BigEndian.AppendUint64(dst, binary.BigEndian.Uint64(tag))
	return append(dst, multiple, 0xCE)
}

func (f *floorClient) rpc(n int) error {
	for range n {
		began := time.Now()
		if _, _, err := f.ask(); err != nil {
			return err
		}
		f.trips.add(began)
	}
	return nil
}

func (f *floorClient) pingpong(n int) error {
	if _, _, err := f.ask(); err != nil { // from here on, a sink keeps what is published
		return err
	}
	if err := f.subscribe(n); err != nil {
		return err
	}
	if _, err := f.method(); err != nil {
		return err
	}
	one, content := f.message(1)
	for i := range n {
		body.Number(content, uint64(i+1))
		began := time.Now()
		if _, err := f.Write(one); err != nil {
			return err
		}
		for f.bytes < (i+1)*f.j.size {
			if err := f.frames(func([]byte) bool { return true }); err != nil {
				return err
			}
		}
		f.trips.add(began)
	}
	return nil
}
