package wire

import (
	"bytes"
	"reflect"
	"runtime/metrics"
	"testing"
)

// bounded runs f on n bytes of input and demands that it allocates in
// proportion. The worst case is a table of tables of one entry each, for which
// a Go map takes some 350 bytes.
func bounded(t *testing.T, n int, f func()) {
	before := allocated()
	f()
	// The runtime and the test itself allocate now and then, so it is only
	// excess by far that counts.
	if used := allocated() - before; used > 128*uint64(n)+1<<20 {
		t.Errorf("%d bytes of input made %d bytes of allocations", n, used)
	}
}

// allocated is how many bytes have been allocated so far, give or take a few
// spans. Unlike runtime.ReadMemStats it does not stop the world.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func seedFrames(f *testing.F) []Frame {
	var frames []Frame
	for _, c := range captures(f) {
		if frame, n, err := ParseFrame(c.bytes, 0); err == nil && n > 0 {
			frames = append(frames, frame)
		}
	}
	return frames
}

func FuzzFrame(f *testing.F) {
	for _, frame := range seedFrames(f) {
		f.Add(frame.AppendTo(nil), uint32(131072))
	}
	f.Add([]byte(HeartbeatFrame+HeartbeatFrame), uint32(0))
	f.Add([]byte(ProtocolHeader), uint32(4096))
	f.Add([]byte("\x03\x00\x01\xff\xff\xff\xff"), uint32(0))
	f.Fuzz(func(t *testing.T, p []byte, limit uint32) {
		frame, n, err := ParseFrame(p, limit)
		if err != nil || n == 0 {
			return
		}
		if limit != 0 && uint32(n) > limit || !bytes.Equal(frame.AppendTo(nil), p[:n]) {
			t.Fatalf("%d bytes of %x became %+v", n, p, frame)
		}
		if kind, channel, size, ok := PeekFrame(p); !ok || kind != frame.Type || channel != frame.Channel || int(size) != len(frame.Payload) {
			t.Fatalf("PeekFrame differs: %v, %d, %d, %v", kind, channel, size, ok)
		}
		class, size, props, err := ParseContentHeader(frame.Payload)
		if err == nil {
			again := AppendHeaderFrame(nil, frame.Channel, class, size, props)
			if !bytes.Equal(again[FrameHeaderSize:len(again)-1], frame.Payload) {
				t.Fatalf("header %x became %x", frame.Payload, again)
			}
		}
	})
}

func FuzzMethod(f *testing.F) {
	for _, frame := range seedFrames(f) {
		if frame.Type == FrameMethod {
			f.Add(frame.Payload)
		}
	}
	for _, m := range everyMethod() {
		f.Add(encode(f, m))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		bounded(t, len(payload), func() {
			m, err := Decode(payload)
			if err != nil {
				return
			}
			once := encode(t, m)
			again, err := Decode(once)
			if err != nil || !bytes.Equal(encode(t, again), once) {
				t.Fatalf("%+v became %+v, %v", m, again, err)
			}
			interned := NewMethod(m.ID())
			d := Decoder{Intern: &Interner{}}
			if err := d.Method(payload[4:], interned); err != nil || !bytes.Equal(encode(t, interned), once) {
				t.Fatalf("%+v, interned %+v, %v", m, interned, err)
			}
		})
	})
}

func FuzzTable(f *testing.F) {
	encoded, err := everyType().AppendTo(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded[4:])
	f.Add([]byte("\x01kA\x00\x00\x00\x0aVVVVVVVVVV\x01kF\x00\x00\x00\x00"))
	f.Add([]byte("S\x00\x00\x00\x02ab"))
	f.Add([]byte("l\x00\x00\x00\x00\x00\x00\x00\x02"))
	f.Add([]byte("\x01UU\xff\xfe\x01LL\xff\xff\xff\xff\xff\xff\xff\xfe"))
	f.Add([]byte("\x01ff\x7f\xa0\x00\x01\x01dd\x7f\xf4\x00\x00\x00\x00\x00\x01"))
	for _, frame := range seedFrames(f) {
		if frame.Type == FrameHeader {
			if headers, ok := RawProperties(frame.Payload[contentHeaderSize:]).Headers(); ok {
				f.Add([]byte(headers))
			}
		}
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		bounded(t, len(p), func() {
			checkValue(t, p)
			table, err := RawTable(p).Decode(Limits{})
			checkEntries(t, p, table, err)
			if err != nil {
				return
			}
			once, err := table.AppendTo(nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := RawTable(once[4:]).Decode(Limits{})
			if err != nil {
				t.Fatal(err)
			}
			// By bytes, because NaN differs from itself.
			if twice, err := again.AppendTo(nil); err != nil || !bytes.Equal(once, twice) {
				t.Fatalf("%x became %x, %v", once, twice, err)
			}
			if clone, err := table.Clone().AppendTo(nil); err != nil || !bytes.Equal(once, clone) {
				t.Fatalf("cloned, %x became %x, %v", once, clone, err)
			}
			var b TableBuilder
			if built, err := build(&b, table); err != nil || !bytes.Equal(built, once[4:]) {
				t.Fatalf("%x was built as %x, %v", once, built, err)
			}
			for key := range table {
				checkLookup(t, p, table, key)
				return // one is enough: each walks over the whole table
			}
		})
	})
}

// checkEntries compares a table's entries one by one with all of it.
func checkEntries(t *testing.T, raw RawTable, table Table, decoding error) {
	last := map[string]RawValue{}
	for e, err := range raw.All() {
		if err != nil && decoding == nil {
			t.Fatalf("%x can be decoded, but not read: %v", raw, err)
		}
		if err != nil {
			return
		}
		last[string(e.Key)] = e.Value
	}
	if decoding == nil && len(last) != len(table) {
		t.Fatalf("%x has %d keys, decoded %d", raw, len(last), len(table))
	}
	for key, want := range table {
		if !same(last[key], want) {
			t.Fatalf("%q is %x by itself, %v in the table", key, last[key], want)
		}
	}
}

// same tells whether a value decodes to want.
func same(v RawValue, want any) bool {
	decoded, err := v.Decode()
	got, err2 := Table{"": decoded}.AppendTo(nil)
	expected, err3 := Table{"": want}.AppendTo(nil)
	return err == nil && err2 == nil && err3 == nil && bytes.Equal(got, expected)
}

// checkValue compares the accessors of what may be a value with its decoding.
func checkValue(t *testing.T, v RawValue) {
	if !accessible(v) {
		return
	}
	decoded, err := v.Decode()
	if b, ok := v.Bytes(); err != nil || ok && !same(v, string(b)) && !same(v, bytes.Clone(b)) {
		t.Fatalf("%x is %v, %v", []byte(v), decoded, err)
	}
}

func checkLookup(t *testing.T, raw RawTable, table Table, key string) {
	v, ok, err := raw.Lookup(key)
	if err != nil || !ok {
		t.Fatalf("%q is not found: %v", key, err)
	}
	got, err := Table{key: v}.AppendTo(nil)
	want, err2 := Table{key: table[key]}.AppendTo(nil)
	if err != nil || err2 != nil || !bytes.Equal(got, want) {
		t.Fatalf("%q is %x by itself, %x in the table", key, got, want)
	}
}

func FuzzProperties(f *testing.F) {
	every := everyProperty()
	f.Add([]byte(encodeProperties(f, every)))
	f.Add([]byte{0, 0})
	f.Add([]byte{0, 1, 0, 0})
	for _, frame := range seedFrames(f) {
		if frame.Type == FrameHeader {
			f.Add(frame.Payload[contentHeaderSize:])
		}
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		bounded(t, len(p), func() {
			raw := RawProperties(p)
			checked := raw.Check()
			for flag := Property(1); flag != 0; flag <<= 1 {
				if _, ok := raw.Field(flag); checked == nil && ok != (raw.Flags()&flag != 0) {
					t.Fatalf("%s: found %v, flags %#x", flag, ok, raw.Flags())
				}
			}
			props, err := raw.Decode()
			if checked != nil && err == nil {
				t.Fatalf("decoded in spite of %v", checked)
			}
			if err != nil {
				return
			}
			once := encodeProperties(t, props)
			if len(p) > 0 && raw.Flags()&HasHeaders == 0 && !bytes.Equal(once, raw) {
				t.Fatalf("%x became %x", raw, once)
			}
			again, err := once.Decode()
			if err != nil || !bytes.Equal(encodeProperties(t, again), once) || again.Present != props.Present && len(p) > 0 {
				t.Fatalf("%+v became %+v, %v", props, again, err)
			}
			if len(props.Headers) == 0 && !reflect.DeepEqual(props, again) && len(p) > 0 {
				t.Fatalf("%+v became %+v", props, again)
			}
		})
	})
}
