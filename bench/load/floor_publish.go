package main

import (
	"encoding/binary"

	"github.com/haypile/haypile/bench/internal/body"
	"github.com/haypile/haypile/bench/internal/sink"
)

// message is a publish to the default exchange, and what of it is the body, with the
// heads of frames in it.
func (f *floorClient) message(channel uint16) (b, content []byte) {
	key := f.j.target()
	args := append([]byte{0, 0, 0, byte(len(key))}, key...)
	b = floorFrame(channel, 60, 40, append(args, 0)...)
	properties := []byte{0, 0}
	if f.j.properties() {
		properties = sink.Properties()
	}
	b = binary.BigEndian.AppendUint16(append(b, 2), channel)
	b = binary.BigEndian.AppendUint32(b, uint32(12+len(properties)))
	b = binary.BigEndian.AppendUint64(append(b, 0, 60, 0, 0), uint64(f.j.size))
	b = append(append(b, properties...), 0xCE)
	if f.j.size == 0 {
		return b, nil
	}
	head := len(b) + 7
	for left := body.New(f.j.size); len(left) > 0; {
		n := min(len(left), 128<<10-8)
		b = binary.BigEndian.AppendUint16(append(b, 3), channel)
		b = binary.BigEndian.AppendUint32(b, uint32(n))
		b = append(append(b, left[:n]...), 0xCE)
		left = left[n:]
	}
	return b, b[head : len(b)-1]
}

// lot is some messages, on the channels by turns.
func (f *floorClient) lot(channels int) (lot []byte, each int) {
	one, _ := f.message(1)
	for i := range max(1, floorLot/len(one)) {
		next, _ := f.message(uint16(i%channels + 1))
		lot = append(lot, next...)
	}
	return lot, len(one)
}

func (f *floorClient) publish(n int) error {
	channels := f.j.channels
	if f.j.mode == modeParallel {
		channels = f.j.publishers
	}
	lot, each := f.lot(channels)
	for n > 0 {
		k := min(n, len(lot)/each)
		if _, err := f.Write(lot[:k*each]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

func (f *floorClient) publishConfirm(n int) error {
	lot, each := f.lot(1)
	sent, confirmed := 0, 0
	ack := func(m []byte) bool {
		if m[1] == 60 && m[3] == 80 {
			confirmed = max(confirmed, int(binary.BigEndian.Uint64(m[4:])))
		}
		return true
	}
	for confirmed < n {
		if k := min(n-sent, f.j.window-(sent-confirmed), len(lot)/each); k > 0 {
			if _, err := f.Write(lot[:k*each]); err != nil {
				return err
			}
			if sent += k; sent < n {
				continue
			}
			if _, err := f.Write(f.declare()); err != nil { // what a sink still holds back, it confirms now
				return err
			}
		}
		if err := f.frames(ack); err != nil {
			return err
		}
	}
	return nil
}
