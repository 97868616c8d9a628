package differential

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/haypile/haypile/core/coretest"
	"github.com/haypile/haypile/core/wire"
)

// The tests of the tools themselves: what they take for equal and what they do not.

func TestNamesThatTheServerMadeUpAreNumbered(t *testing.T) {
	n := newNames("some-vhost")
	const first, second = "amq.gen-AAAAAAAAAAAAAAAAAAAAAA", "amq.gen-BBBBBBBBBBBBBBBBBBBBBB"
	for _, c := range []struct{ line, want string }{
		{"queue=" + first, "queue=amq.gen-1"},
		{"queue=" + second, "queue=amq.gen-2"},
		{`routing-key="` + first + `"`, "routing-key=amq.gen-1"},
		{"no queue 'q' in vhost 'some-vhost'", "no queue 'q' in vhost '/'"},
		{"queue=amq.gen-short", "queue=amq.gen-short"},
	} {
		if got := n.hide(c.line); got != c.want {
			t.Errorf("%s became %s, want %s", c.line, got, c.want)
		}
	}
	if got := n.show("1 queue.delete queue=amq.gen-2"); got != "1 queue.delete queue="+second {
		t.Errorf("the command is %s", got)
	}
}

func TestOnlyTheOrderThatIsOpenIsMadeEqual(t *testing.T) {
	deliver := func(tag string, n uint64) event {
		return event{channel: 1, method: &wire.BasicDeliver{ConsumerTag: tag, DeliveryTag: n}}
	}
	events := []event{
		{channel: 2, method: &wire.BasicQosOk{}},
		{channel: 1, method: &wire.BasicCancel{ConsumerTag: "c"}},
		{channel: 1, method: &wire.BasicAck{DeliveryTag: 2}, settled: []uint64{2}},
		deliver("b", 1),
		{channel: 1, method: &wire.BasicReturn{ReplyCode: wire.NoRoute}},
		deliver("a", 2),
		{channel: 1, method: &wire.BasicAck{DeliveryTag: 1}, settled: []uint64{1}},
	}
	want := []string{
		`<- 1 basic.deliver consumer-tag=b delivery-tag=1 body=""`,
		`<- 1 basic.return reply-code=312 body=""`,
		`<- 1 basic.deliver consumer-tag=a delivery-tag=2 body=""`,
		`<- 1 confirms ack=1,2`,
		`<- 1 basic.cancel consumer-tag=c`,
		`<- 2 basic.qos-ok`,
	}
	if got := answers(events, newNames("some-vhost")); !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestMultipleConfirmsAreTheNumbersThatTheySettle(t *testing.T) {
	l := &lane{settled: map[uint64]bool{}}
	l.settle(2, false)
	if got := l.settle(4, true); !slices.Equal(got, []uint64{1, 3, 4}) {
		t.Errorf("settled %v", got)
	}
}

func TestTypesOfNumbersComeThrough(t *testing.T) {
	const headers = `{a=1 b=int64:1 c=float64:0.5 d=time:1700000000 e=uint8:7 f=[int16:-2 text]}`
	m, err := coretest.Parse("basic.publish properties={headers=" + headers + "}")
	if err != nil {
		t.Fatal(err)
	}
	if err := retype(m); err != nil {
		t.Fatal(err)
	}
	if got := formatProperties(m.Properties); got != "headers="+headers {
		t.Errorf("got %s", got)
	}
}

// A server that answers nothing and hangs up.
func TestAnswersThatAreMissingAreFound(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if conn, err := ln.Accept(); err == nil {
			conn.Close()
		}
	}()
	steps, err := parse("dial\ntext \"hello\"\n  <- header \"AMQP\\x00\\x00\\t\\x01\"\n")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(server{dial: func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }, vhost: "v"}, false)
	p.bound = 0
	got, err := p.play(steps)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(got[1].answers, steps[1].answers) {
		t.Error("nobody has noticed")
	}
}
