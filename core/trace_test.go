package core_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestTraceSeesEveryFrame(t *testing.T) {
	var lines []string
	trace := func(f *core.TraceFrame) { lines = append(lines, f.String()) }
	inEverySplit(t, func(t *testing.T, s split) {
		lines = nil
		b := newBench(t, core.ClientConfig{Trace: trace})
		b.split = s
		b.handshake(wire.ConnectionTune{FrameMax: 4096})
		b.consume(b.channel(), "c")
		ch, err := b.c.OpenChannel(nil)
		ok(t, err)
		_, err = ch.Publish(&core.Publishing{Body: make([]byte, 5000)})
		ok(t, err)
		_, err = ch.PublishLoan(&core.Publishing{Body: make([]byte, 5000)}, func(error) {})
		ok(t, err)
		b.method(1, &wire.BasicDeliver{ConsumerTag: "c"}, "a body", []byte(wire.HeartbeatFrame))
		size := 0 // of what we say about ourselves, which differs from version to version
		fmt.Sscanf(lines[1], "-> 0 connection.start-ok, %d bytes", &size)
		compare(t, "traced", lines, []string{
			"<- 0 connection.start, 95 bytes",
			fmt.Sprintf("-> 0 connection.start-ok, %d bytes", size),
			"<- 0 connection.tune, 12 bytes",
			"-> 0 connection.tune-ok, 12 bytes",
			"-> 0 connection.open, 8 bytes",
			"<- 0 connection.open-ok, 5 bytes",
			"-> 1 channel.open, 5 bytes",
			"<- 1 channel.open-ok, 8 bytes",
			"-> 1 basic.consume, 15 bytes",
			"<- 1 basic.consume-ok, 6 bytes",
			"-> 2 channel.open, 5 bytes",
			"-> 2 basic.publish, 9 bytes",
			"-> 2 header, 14 bytes",
			"-> 2 body, 4088 bytes",
			"-> 2 body, 912 bytes",
			"-> 2 basic.publish, 9 bytes",
			"-> 2 header, 14 bytes",
			"-> 2 body, 4088 bytes",
			"-> 2 body, 912 bytes",
			"<- 1 basic.deliver, 17 bytes",
			"<- 1 header, 14 bytes",
			"<- 1 body, 6 bytes",
			"<- 0 heartbeat, 0 bytes",
		})
	})
}

func TestTraceTellsNoSecret(t *testing.T) {
	const password = "correct-horse"
	for name, connect := range map[string]func(trace func(*core.TraceFrame)){
		"client": func(trace func(*core.TraceFrame)) {
			b := newBench(t, core.ClientConfig{Trace: trace, Mechanisms: []core.Mechanism{core.Plain("anna", wire.NewSecret(password))}})
			b.handshake(wire.ConnectionTune{})
			ok(t, b.c.UpdateSecret(wire.NewSecret(password), "", nil))
		},
		"client that is challenged": func(trace func(*core.TraceFrame)) {
			b := newBench(t, core.ClientConfig{Trace: trace, Mechanisms: []core.Mechanism{told(password)}})
			ok(t, b.c.Start(b.now))
			b.method(0, &wire.ConnectionStart{VersionMinor: 9, Mechanisms: "TOLD"}, &wire.ConnectionSecure{Challenge: []byte("?")})
		},
		"server": func(trace func(*core.TraceFrame)) {
			b := newServerBench(t, core.ServerConfig{Trace: trace})
			b.method(0, []byte(wire.ProtocolHeader), &wire.ConnectionStartOk{Mechanism: "PLAIN", Response: wire.NewSecret("\x00u\x00" + password)}, tuneOk, open,
				&wire.ConnectionUpdateSecret{NewSecret: wire.NewSecret(password)})
		},
	} {
		methods := 0
		connect(func(f *core.TraceFrame) {
			if bytes.Contains(f.Payload, []byte(password)) {
				t.Errorf("%s: %s has the password", name, f)
			}
			if _, err := wire.Decode(f.Payload); err != nil {
				t.Errorf("%s: the payload of %s: %v", name, f, err)
			}
			methods++
		})
		if methods < 4 {
			t.Errorf("%s: %d methods were traced", name, methods)
		}
	}
}

// told is a mechanism that tells everything.
type told string

func (told) Name() string                            { return "TOLD" }
func (m told) Response() (wire.Secret, error)        { return wire.NewSecret(string(m)), nil }
func (m told) Challenge([]byte) (wire.Secret, error) { return wire.NewSecret(string(m)), nil }
