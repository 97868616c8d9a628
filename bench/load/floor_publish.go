package main

import (
	"encoding/binary"

	"github.com/haypile/haypile/bench/internal/sink"
)

// message is a publish to the default exchange.
func (f *floorClient) message(channel uint16) []byte {
	key := f.j.target()
	args := append([]byte{0, 0, 0, byte(len(key))}, key...)
	b := floorFrame(channel, 60, 40, append(args, 0)...)
	properties := []byte{0, 0}
	if f.j.properties() {
		properties = sink.Properties()
	}
	b = binary.BigEndian.AppendUint16(append(b, 2), channel)
	b = binary.BigEndian.AppendUint32(b, uint32(12+len(properties)))
	b = binary.BigEndian.AppendUint64(append(b, 0, 60, 0, 0), uint64(f.j.size))
	b = append(append(b, properties...), 0xCE)
	for left := f.j.size; left > 0; {
		n := min(left, 128<<10-8)
		b = binary.BigEndian.AppendUint16(append(b, 3), channel)
		b = binary.BigEndian.AppendUint32(b, uint32(n))
		b = append(append(b, make([]byte, n)...), 0xCE)
		left -= n
	}
	return b
}

// lot is some messages, on the channels by turns.
func (f *floorClient) lot(channels int) (lot []byte, each int) {
	each = len(f.message(1))
	for i := range max(1, floorLot/each) {
		lot = append(lot, f.message(uint16(i%channels+1))...)
	}
	return lot, each
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
