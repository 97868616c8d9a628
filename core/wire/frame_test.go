package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestAFrameSurvivesARoundTrip(t *testing.T) {
	for _, f := range []Frame{
		{FrameMethod, 1, []byte{0, 10, 0, 51}},
		{FrameHeader, 65535, bytes.Repeat([]byte{7}, 300)},
		{FrameBody, 2, []byte{}},
		{FrameHeartbeat, 0, []byte{}},
	} {
		p := append(f.AppendTo(nil), "the next one"...)
		got, n, err := ParseFrame(p, 0)
		if err != nil || n != len(f.Payload)+FrameOverhead || got.Type != f.Type || got.Channel != f.Channel || !bytes.Equal(got.Payload, f.Payload) {
			t.Errorf("%+v: %+v, %d, %v", f, got, n, err)
		}
		for cut := range n {
			if _, n, err := ParseFrame(p[:cut], 0); n != 0 || err != nil {
				t.Errorf("%s frame cut to %d bytes: %d, %v", f.Type, cut, n, err)
			}
		}
	}
	if got := string(Frame{Type: FrameHeartbeat}.AppendTo(nil)); got != HeartbeatFrame {
		t.Errorf("%q", got)
	}
}

func TestMalformedFramesAreRefused(t *testing.T) {
	tests := []struct{ name, p, text string }{
		{"a type that does not exist", "\x04\x00\x01\x00\x00\x00\x00", "amqp: frame: unknown type 4"},
		{"a size above frame-max, from the header alone", "\x01\x00\x01\x00\x01\xf9\x40", "amqp: frame: size 129352 exceeds frame-max 4096"},
		{"the largest size", "\x03\x00\x01\xff\xff\xff\xff", "amqp: frame: size 4294967303 exceeds frame-max 4096"},
		{"another end octet", "\x01\x00\x01\x00\x00\x00\x01x\xcf", "amqp: frame at byte 8: ends in 0xCF, not in 0xCE"},
	}
	for _, test := range tests {
		_, n, err := ParseFrame([]byte(test.p), FrameMinSize)
		if n != 0 || err == nil || err.Error() != test.text || !errors.Is(err, FrameError) {
			t.Errorf("%s: %d, %v", test.name, n, err)
		}
	}
	exactly := Frame{FrameBody, 1, make([]byte, FrameMinSize-FrameOverhead)}.AppendTo(nil)
	if _, n, err := ParseFrame(exactly, FrameMinSize); n != FrameMinSize || err != nil {
		t.Error("a frame of exactly frame-max:", n, err)
	}
	if _, n, err := ParseFrame(exactly, FrameMinSize-1); n != 0 || err == nil {
		t.Error("a frame one byte above frame-max:", n, err)
	}
}

func TestPeekFrameJudgesNothing(t *testing.T) {
	kind, channel, size, ok := PeekFrame([]byte("\xff\xff\xfe\xff\xff\xff\xfd"))
	if kind != 255 || channel != 0xfffe || size != 0xfffffffd || !ok || kind.String() != "type 255" {
		t.Error(kind, channel, size, ok)
	}
	if _, _, _, ok := PeekFrame([]byte("\x01\x00\x00\x00\x00\x00")); ok {
		t.Error("six bytes are a header")
	}
}

func TestABodyIsSplitAtFrameMax(t *testing.T) {
	tests := []struct {
		size     int
		frameMax uint32
		want     []int // payload sizes
	}{
		{0, 4096, nil},
		{1, 4096, []int{1}},
		{4088, 4096, []int{4088}},
		{4089, 4096, []int{4088, 1}},
		{3 * 4088, 4096, []int{4088, 4088, 4088}},
		{10, 12, []int{4, 4, 2}},
		{200000, 0, []int{200000}},
		{5000, 8, []int{4088, 912}}, // no room for a payload
	}
	for _, test := range tests {
		body := bytes.Repeat([]byte("0123456789abcdef"), test.size/16+1)[:test.size]
		out := AppendBody([]byte("before"), 9, body, test.frameMax)
		rest, joined := out[len("before"):], []byte{}
		for _, want := range test.want {
			f, n, err := ParseFrame(rest, 0)
			if err != nil || f.Type != FrameBody || f.Channel != 9 || len(f.Payload) != want {
				t.Fatalf("%d by %d: %+v, %v", test.size, test.frameMax, f, err)
			}
			rest, joined = rest[n:], append(joined, f.Payload...)
		}
		if len(rest) != 0 || !bytes.Equal(joined, body) || !strings.HasPrefix(string(out), "before") {
			t.Errorf("%d by %d: %d bytes are left", test.size, test.frameMax, len(rest))
		}
	}
}

func TestAContentHeaderSurvivesARoundTrip(t *testing.T) {
	some, err := (&Properties{ContentType: "text/plain", Priority: 3}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, props := range []RawProperties{nil, {}, {0, 0}, some} {
		frame := AppendHeaderFrame(nil, 5, ClassBasic, 1<<63+1, props)
		f, n, err := ParseFrame(frame, 0)
		if err != nil || n != len(frame) || f.Type != FrameHeader || f.Channel != 5 {
			t.Fatal(f, n, err)
		}
		class, size, got, err := ParseContentHeader(f.Payload)
		if err != nil || class != ClassBasic || size != 1<<63+1 || got.Flags() != props.Flags() {
			t.Errorf("%q: %d, %d, %q, %v", props, class, size, got, err)
		}
		for cut := range len(f.Payload) {
			if _, _, _, err := ParseContentHeader(f.Payload[:cut]); err == nil {
				t.Errorf("%q cut to %d bytes is accepted", props, cut)
			}
		}
	}
}

func TestMalformedContentHeadersAreRefused(t *testing.T) {
	const class, size = "\x00\x3c", "\x00\x00\x00\x00\x00\x00\x00\x05"
	tests := []struct {
		name, p, text string
		code          Code
	}{
		{"weight", class + "\x00\x01" + size + "\x00\x00", "amqp: content header at byte 2: the weight is not 0", FrameError},
		{"too short", class, "amqp: content header: 14 bytes are needed, there are 2", FrameError},
		{"a second flags word", class + "\x00\x00" + size + "\x00\x01\x00\x00", "amqp: property flags at byte 12: a second flags word, which no property needs", SyntaxError},
		{"a flag without a property", class + "\x00\x00" + size + "\x00\x02", "amqp: property flags at byte 12: the bits 0x2 name no property", SyntaxError},
		{"a property cut off", class + "\x00\x00" + size + "\x80\x00\x05text", "amqp: content-type at byte 15: 5 bytes are needed, 4 are left", SyntaxError},
		{"more than the flags say", class + "\x00\x00" + size + "\x80\x00\x00x", "amqp: end at byte 15: 1 bytes are left over", SyntaxError},
	}
	for _, test := range tests {
		_, _, _, err := ParseContentHeader([]byte(test.p))
		if err == nil || err.Error() != test.text || !errors.Is(err, test.code) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestEncodingAndParsingAllocateNothing(t *testing.T) {
	props, err := (&Properties{ContentType: "text/plain", Headers: everyType()}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	full := &Properties{ContentType: "text/plain", MessageID: "m", Headers: benchTable()}
	table := benchTable()
	publish, ack := &BasicPublish{Exchange: "e", RoutingKey: "k"}, &BasicAck{DeliveryTag: 1}
	deliver := &BasicDeliver{ConsumerTag: "c", Exchange: "e", RoutingKey: "k"}
	body := make([]byte, 10000)
	header := AppendHeaderFrame(nil, 1, ClassBasic, 1, props)
	payload := header[FrameHeaderSize : len(header)-1]
	buf := make([]byte, 0, 1<<16)
	tests := map[string]func(){
		"basic.publish":  func() { buf, _ = AppendMethodFrame(buf[:0], 1, publish) },
		"basic.ack":      func() { buf, _ = AppendMethodFrame(buf[:0], 1, ack) },
		"basic.deliver":  func() { buf, _ = AppendMethodFrame(buf[:0], 1, deliver) },
		"header frame":   func() { buf = AppendHeaderFrame(buf[:0], 1, ClassBasic, 1, props) },
		"body frames":    func() { buf = AppendBody(buf[:0], 1, body, 4096) },
		"properties":     func() { buf, _ = full.AppendTo(buf[:0]) },
		"table":          func() { buf, _ = table.AppendTo(buf[:0]) },
		"frame parse":    func() { _, _, _ = ParseFrame(header, 4096) },
		"content header": func() { _, _, _, _ = ParseContentHeader(payload) },
		"check":          func() { _ = props.Check() },
		"field":          func() { _, _ = props.Field(HasHeaders) },
	}
	for name, f := range tests {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
