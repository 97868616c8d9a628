package wire

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// captured is one line of testdata/captures: real traffic with RabbitMQ.
type captured struct {
	file       string
	fromClient bool
	name       string
	bytes      []byte
}

func captures(t testing.TB) []captured {
	files, err := filepath.Glob("testdata/captures/*.hex")
	if err != nil || len(files) == 0 {
		t.Fatal("no captures:", err)
	}
	var all []captured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if len(words) != 4 || words[0] == "#" {
				continue
			}
			p, err := hex.DecodeString(words[3])
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			all = append(all, captured{file, words[0] == "C", words[2], p})
		}
	}
	return all
}

func TestRealTrafficSurvivesDecodingAndEncoding(t *testing.T) {
	for _, c := range captures(t) {
		if c.name == "protocol-header" {
			if string(c.bytes) != ProtocolHeader {
				t.Errorf("%s: %q", c.file, c.bytes)
			}
			continue
		}
		f, n, err := ParseFrame(c.bytes, 131072)
		if err != nil || n != len(c.bytes) {
			t.Fatalf("%s: %s: %d of %d bytes, %v", c.file, c.name, n, len(c.bytes), err)
		}
		switch f.Type {
		case FrameMethod:
			checkCapturedMethod(t, c, f)
		case FrameHeader:
			checkCapturedHeader(t, c, f)
		default:
			if again := f.AppendTo(nil); !bytes.Equal(again, c.bytes) || f.Type.String() != c.name {
				t.Errorf("%s: %s: %q", c.file, f.Type, again)
			}
		}
	}
}

func checkCapturedMethod(t *testing.T, c captured, f Frame) {
	m, err := Decode(f.Payload)
	if err != nil {
		t.Fatalf("%s: %v", c.file, err)
	}
	id := m.ID()
	if id.String() != c.name || c.fromClient && !id.FromClient() || !c.fromClient && !id.FromServer() {
		t.Errorf("%s: %s, by a client %v", c.file, id, c.fromClient)
	}
	again, err := AppendMethodFrame(nil, f.Channel, m)
	if err != nil {
		t.Fatalf("%s: %v", c.file, err)
	}
	if id == ConnectionOpenID { // others set the reserved bit, which is the last octet of the payload
		copy(c.bytes[len(c.bytes)-2:], "\x00")
	}
	if bytes.Equal(again, c.bytes) {
		return
	}
	// RabbitMQ and others do not sort the keys of tables.
	if m2, err := Decode(again[FrameHeaderSize : len(again)-1]); !hasTable(m) || len(again) != len(c.bytes) || err != nil || !reflect.DeepEqual(m, m2) {
		t.Errorf("%s: %s became\n%x, was\n%x", c.file, id, again, c.bytes)
	}
}

func hasTable(m Method) bool {
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		if t, ok := v.Field(i).Interface().(Table); ok && len(t) > 0 {
			return true
		}
	}
	return false
}

func checkCapturedHeader(t *testing.T, c captured, f Frame) {
	class, size, raw, err := ParseContentHeader(f.Payload)
	if err != nil || class != ClassBasic {
		t.Fatalf("%s: class %d, %v", c.file, class, err)
	}
	if again := AppendHeaderFrame(nil, f.Channel, class, size, raw); !bytes.Equal(again, c.bytes) {
		t.Errorf("%s: header became %x, was %x", c.file, again, c.bytes)
	}
	p, err := raw.Decode()
	if err != nil {
		t.Fatalf("%s: %v", c.file, err)
	}
	again, err := p.Encode()
	if err != nil || len(again) != len(raw) {
		t.Fatalf("%s: %x became %x, %v", c.file, raw, again, err)
	}
	p2, err := again.Decode()
	if err != nil || !reflect.DeepEqual(p, p2) || len(p.Headers) == 0 && !bytes.Equal(again, raw) {
		t.Errorf("%s: %+v became %+v, %v", c.file, p, p2, err)
	}
}

// find is the first frame of that name for which ok holds.
func find[M Method](t *testing.T, file string, ok func(M) bool) M {
	for _, c := range captures(t) {
		f, _, err := ParseFrame(c.bytes, 0)
		if err != nil || f.Type != FrameMethod || filepath.Base(c.file) != file {
			continue
		}
		if m, err := Decode(f.Payload); err == nil {
			if m, is := m.(M); is && ok(m) {
				return m
			}
		}
	}
	t.Fatalf("%s has no such method", file)
	panic("unreachable")
}

func TestCapturedMethodsMeanWhatWasDone(t *testing.T) {
	start := find(t, "topology.hex", func(*ConnectionStart) bool { return true })
	capabilities, _ := start.ServerProperties["capabilities"].(Table)
	if start.VersionMajor != 0 || start.VersionMinor != 9 || start.Mechanisms != "PLAIN AMQPLAIN" || start.Locales != "en_US" ||
		start.ServerProperties["product"] != "RabbitMQ" || capabilities["basic.nack"] != true {
		t.Errorf("%+v", start)
	}
	if m := find(t, "topology.hex", func(*ConnectionStartOk) bool { return true }); m.Response.Reveal() != "\x00guest\x00guest" || m.Mechanism != "PLAIN" {
		t.Errorf("%+v", m)
	}
	want := map[Method]Method{
		&ConnectionTune{ChannelMax: 2047, FrameMax: 131072, Heartbeat: 60}: find(t, "topology.hex", func(*ConnectionTune) bool { return true }),
		&ExchangeDeclare{Exchange: "cap.fan", Type: "fanout", AutoDelete: true, Internal: true}: find(t, "topology.hex",
			func(m *ExchangeDeclare) bool { return m.Exchange == "cap.fan" }),
		&ExchangeBind{Destination: "cap.fan", Source: "cap.topic", RoutingKey: "a.*", Arguments: Table{"note": int32(1)}}: find(t, "topology.hex",
			func(*ExchangeBind) bool { return true }),
		&QueueDelete{Queue: "cap.q", IfEmpty: true}: find(t, "topology.hex", func(*QueueDelete) bool { return true }),
		&BasicReturn{ReplyCode: NoRoute, ReplyText: "NO_ROUTE", RoutingKey: "no.such.queue"}: find(t, "messages.hex",
			func(*BasicReturn) bool { return true }),
		&BasicCancel{ConsumerTag: "cap-consumer"}: find(t, "messages.hex", func(*BasicCancel) bool { return true }),
		&ChannelClose{ReplyCode: NotFound, ReplyText: "NOT_FOUND - no queue 'none' in vhost '/'", Cause: QueueDeclareID}: find(t, "refusals.hex",
			func(m *ChannelClose) bool { return m.ReplyCode != ReplySuccess }),
		&ConnectionClose{ReplyCode: CommandInvalid, ReplyText: "COMMAND_INVALID - unknown exchange type 'no-such-type'", Cause: ExchangeDeclareID}: find(t, "refusals.hex",
			func(*ConnectionClose) bool { return true }),
		&ConnectionBlocked{Reason: "low on memory"}: find(t, "blocked.hex", func(*ConnectionBlocked) bool { return true }),
	}
	for want, got := range want {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestCapturedPropertiesMeanWhatWasSent(t *testing.T) {
	want := Properties{
		Present: allProperties, ContentType: "application/json", ContentEncoding: "gzip", DeliveryMode: Persistent, Priority: 7,
		Headers: Table{"bool": true, "int": int32(-5), "long": int64(1 << 40), "short-text": "abc", "bytes": []byte{0, 255},
			"decimal": Decimal{2, -125}, "time": time.Unix(1700000000, 0).UTC(), "void": nil, "utf8": "häuschen",
			"array": []any{int32(1), "two", []any{true}, Table{"x": nil}}, "table": Table{"a": Table{"b": "c"}, "empty": Table{}}},
		CorrelationID: "corr-1", ReplyTo: "amq.reply", Expiration: "60000", MessageID: "m-1", Timestamp: time.Unix(1700000000, 0).UTC(),
		Type: "order", UserID: "guest", AppID: "capture",
	}
	for _, c := range captures(t) {
		if filepath.Base(c.file) != "messages.hex" || c.name != "header" {
			continue
		}
		_, size, raw, err := ParseContentHeader(c.bytes[FrameHeaderSize : len(c.bytes)-1])
		if err != nil {
			t.Fatal(err)
		}
		got, err := raw.Decode()
		if err != nil || size != 7 || !reflect.DeepEqual(got, want) {
			t.Errorf("%d bytes with %+v, %v", size, got, err)
		}
		return // the first message has them all
	}
}
