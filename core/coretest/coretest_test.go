package coretest_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/coretest"
	"github.com/haypile/haypile/core/wire"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestParseReadsWhatFormatWrites(t *testing.T) {
	for _, m := range []wire.Method{
		&wire.QueueDeclare{Queue: "a queue", Durable: true, Arguments: wire.Table{"x-max-length": int32(5), "s": "true", "t": wire.Table{"a b": true}, "l": []any{"x", int32(1), nil}}},
		&wire.ConnectionClose{ReplyCode: wire.NotFound, ReplyText: `no "x"`, Cause: wire.QueueDeclareID},
		&wire.BasicDeliver{ConsumerTag: "c", DeliveryTag: 7, Redelivered: true},
		&wire.ConnectionSecure{Challenge: []byte("who\x00?")},
		&wire.TxSelect{},
	} {
		line := coretest.Format(m)
		parsed, err := coretest.Parse(line)
		if err != nil || coretest.Format(parsed.Method) != line {
			t.Errorf("%s became %+v, %v", line, parsed, err)
		}
	}
	secret := coretest.Format(&wire.ConnectionSecureOk{Response: wire.NewSecret("hunter2")})
	if strings.Contains(secret, "hunter2") {
		t.Error(secret)
	}
}

func TestMistakesOfScriptsAreErrors(t *testing.T) {
	for _, line := range []string{
		"", "queue.tip", "queue.declare colour=red", "queue.declare durable=1", "basic.qos prefetch-count=many", `queue.declare queue="open`,
		"basic.publish body=x*many", "basic.publish properties={colour=red}", "queue.declare queue=5", "queue.declare arguments={a", "basic.ack delivery-tag=-1",
	} {
		if m, err := coretest.Parse(line); err == nil {
			t.Errorf("%q was read as %s", line, coretest.Format(m.Method))
		}
	}
}

// pair is a client and a server that are open and know each other, with what
// they tell.
func pair(t *testing.T) (p *coretest.Pair, client, server *coretest.Recorder) {
	client, server = &coretest.Recorder{}, &coretest.Recorder{}
	c, err := core.NewClient(core.ClientConfig{Heartbeat: 10 * time.Second}, client.Client())
	ok(t, err)
	s, err := core.NewServer(core.ServerConfig{}, server.Server(true))
	ok(t, err)
	p, err = coretest.NewPair(c, s)
	ok(t, err)
	p.Settle()
	if !c.IsOpen() || !s.IsOpen() {
		t.Fatalf("client %s: %v, server %s: %v", c.State(), c.Err(), s.State(), s.Err())
	}
	client.Take()
	server.Take()
	return p, client, server
}

func last(t *testing.T, r *coretest.Recorder, want string) {
	t.Helper()
	lines := r.Take()
	if len(lines) == 0 || !strings.HasPrefix(lines[len(lines)-1], want) {
		t.Errorf("told %q, want %q last", lines, want)
	}
}

func TestHeartbeatsKeepAPairAlive(t *testing.T) {
	p, client, server := pair(t)
	p.Pass(time.Hour)
	if told := append(client.Take(), server.Take()...); len(told) > 0 || !p.Now().Equal(coretest.Epoch.Add(time.Hour)) {
		t.Errorf("at %v: %q", p.Now(), told)
	}
}

func TestAPeerThatDoesNotReadHearsNoHeartbeat(t *testing.T) {
	p, client, _ := pair(t)
	p.Stall(coretest.ClientSide, true)
	p.Pass(time.Minute)
	last(t, client, "closed: amqp: no sign of life from the peer")
}

func TestCutEndsBothAtTheByte(t *testing.T) {
	const open, declare = 13, 13 + 21 // bytes that the client sends
	for n := range declare + 1 {
		p, client, server := pair(t)
		ch, err := p.Client.OpenChannel(client.Channel())
		ok(t, err)
		ok(t, ch.QueueDeclare(&wire.QueueDeclare{Queue: "q"}, coretest.Reply[*wire.QueueDeclareOk](client, ch)))
		p.Cut(coretest.ClientSide, n)
		p.Settle()
		if !errors.Is(p.Client.Err(), io.ErrUnexpectedEOF) || !errors.Is(p.Server.Err(), io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d bytes: %v, %v", n, p.Client.Err(), p.Server.Err())
		}
		opened := slices.Contains(server.Take(), "1 opened")
		if opened != (n >= open) {
			t.Errorf("cut after %d bytes: opened %v", n, opened)
		}
		last(t, client, "closed: ")
	}
}

func TestWindowHoldsOutputBackInTheSender(t *testing.T) {
	p, client, server := pair(t)
	p.Window = 1000
	p.Stall(coretest.ServerSide, true)
	ch, err := p.Client.OpenChannel(client.Channel())
	ok(t, err)
	_, err = ch.Publish(&core.Publishing{Body: make([]byte, 5000)})
	ok(t, err)
	p.Settle()
	if n := p.Client.Buffered(); n < 4000 {
		t.Errorf("%d bytes are left in the client", n)
	}
	p.Stall(coretest.ServerSide, false)
	p.Settle()
	last(t, server, "1 published")
}

func TestOrderlyCloseEndsBoth(t *testing.T) {
	p, client, server := pair(t)
	p.Latency = time.Second
	ok(t, p.Client.Close(0, "bye"))
	p.Settle()
	last(t, client, "closed: <nil>")
	last(t, server, "closed: amqp: connection closed by the client: 200")
	if !p.Client.Finished() || !p.Server.Finished() {
		t.Error("not finished")
	}
}

func TestRecorderReactsInsideCallbacks(t *testing.T) {
	p, client, server := pair(t)
	ch, err := p.Client.OpenChannel(client.Channel())
	ok(t, err)
	server.OnLine = func(line string) {
		if line == "1 opened" {
			ok(t, p.Server.Close(wire.ConnectionForced, "maintenance"))
		}
	}
	ok(t, ch.Get(&wire.BasicGet{Queue: "q"}, client.Got))
	p.Settle()
	if told := client.Take(); len(told) != 3 || !strings.HasPrefix(told[0], "no get-ok") || !strings.HasPrefix(told[1], "1 closed") {
		t.Errorf("told %q", told)
	}
}
