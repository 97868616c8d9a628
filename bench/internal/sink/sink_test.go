package sink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/haypile/haypile/bench/internal/body"
)

// peer is a client of a sink, in as many words as a test needs.
type peer struct {
	t *testing.T
	net.Conn
}

// dial connects and says nothing.
func dial(t *testing.T) *peer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go Serve(ln)
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return &peer{t, c}
}

// open comes in, and opens channel 1.
func open(t *testing.T, vhost string) *peer {
	t.Helper()
	p := dial(t)
	p.say(greeting)
	p.expect(connectionStart)
	p.say(call(0, connectionStartOk))
	p.expect(connectionTune)
	p.say(call(0, connectionTuneOk, 0, 0, 0, 2, 0, 0, 0, 0))
	p.say(call(0, connectionOpen, shortString(nil, vhost)...))
	p.expect(connectionOpenOk)
	p.say(call(1, channelOpen, 0))
	p.expect(channelOpenOk)
	return p
}

var greeting = []byte("AMQP\x00\x00\x09\x01")

// call is a method as it goes over the wire.
func call(channel uint16, method uint32, args ...byte) []byte {
	return appendFrame(nil, frameMethod, channel, append(binary.BigEndian.AppendUint32(nil, method), args...))
}

// message is a publish.
func message(content []byte) []byte {
	b := call(1, basicPublish, 0, 0, 0, 1, 'q', 0)
	header := binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, uint64(len(content)))
	b = appendFrame(b, frameHeader, 1, append(header, 0, 0))
	return appendFrame(b, frameBody, 1, content)
}

// ack is a basic.ack.
func ack(tag uint64, multiple byte) []byte {
	return call(1, basicAck, append(binary.BigEndian.AppendUint64(nil, tag), multiple)...)
}

func declare(queue string) []byte {
	return call(1, queueDeclare, append(shortString([]byte{0, 0}, queue), 1, 0, 0, 0, 0)...)
}

func consume(queue string, flags byte) []byte {
	return call(1, basicConsume, append(shortString(shortString([]byte{0, 0}, queue), ""), flags, 0, 0, 0, 0)...)
}

func (p *peer) say(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// frame reads one.
func (p *peer) frame() (kind byte, payload []byte) {
	p.t.Helper()
	head := make([]byte, 7)
	if _, err := io.ReadFull(p, head); err != nil {
		p.t.Fatal(err)
	}
	payload = make([]byte, binary.BigEndian.Uint32(head[3:])+1)
	if _, err := io.ReadFull(p, payload); err != nil {
		p.t.Fatal(err)
	}
	return head[0], payload[:len(payload)-1]
}

// expect reads a method's arguments.
func (p *peer) expect(method uint32) (args []byte) {
	p.t.Helper()
	kind, payload := p.frame()
	if kind != frameMethod || binary.BigEndian.Uint32(payload) != method {
		p.t.Fatalf("got frame %d %q, want method %d.%d", kind, payload, method>>16, method&0xFFFF)
	}
	return payload[4:]
}

// delivery reads one of a body of so many bytes.
func (p *peer) delivery(size int) (tag uint64, content []byte) {
	p.t.Helper()
	args := p.expect(basicDeliver)
	tag = binary.BigEndian.Uint64(args[1+args[0]:])
	if kind, _ := p.frame(); kind != frameHeader {
		p.t.Fatalf("a frame of type %d follows a delivery", kind)
	}
	for len(content) < size {
		kind, payload := p.frame()
		if kind != frameBody {
			p.t.Fatalf("a frame of type %d, and %d bytes are missing", kind, size-len(content))
		}
		content = append(content, payload...)
	}
	return tag, content
}

// counted asks for what the sink has counted.
func (p *peer) counted(messages, others uint32) {
	p.t.Helper()
	p.say(declare("q"))
	reply := p.expect(queueDeclareOk)[2:]
	if got := binary.BigEndian.Uint32(reply); got != messages {
		p.t.Errorf("%d messages, want %d", got, messages)
	}
	if got := binary.BigEndian.Uint32(reply[4:]); got != others {
		p.t.Errorf("%d acks or bytes, want %d", got, others)
	}
}

func TestPublishesAreCounted(t *testing.T) {
	p := open(t, "/")
	p.say(bytes.Repeat(message(make([]byte, 64)), 1000))
	p.counted(1000, 64_000)
	p.say(message(make([]byte, frameMax-8)))
	p.counted(1001, 64_000+frameMax-8)
}

func TestPublishesAreCountedHoweverTheyAreCut(t *testing.T) {
	p := open(t, "/")
	for _, b := range bytes.Repeat(message(make([]byte, 9)), 20) {
		p.say([]byte{b})
	}
	p.counted(20, 180)
}

func TestConfirmsAreHeldUntilTheirLotIsFull(t *testing.T) {
	p := open(t, "hold10")
	p.say(call(1, confirmSelect, 0))
	p.expect(confirmSelectOk)
	for range 9 {
		p.say(message(nil))
	}
	p.say(message(nil))
	if got := p.expect(basicAck); binary.BigEndian.Uint64(got) < 10 || got[8] != 1 {
		t.Errorf("the first ack is %v", got)
	}
	p.say(message(nil))
	p.say(declare("q")) // which lets go of what is held back
	p.expect(queueDeclareOk)
	if got := p.expect(basicAck); binary.BigEndian.Uint64(got) != 11 {
		t.Errorf("the second ack is %v", got)
	}
}

func TestDeliveriesAreNumbered(t *testing.T) {
	for queue, size := range map[string]int{"300x64": 64, "300x0": 0, "300x3": 3, "300x8p": 8, "3x300000": 300_000} {
		t.Run(queue, func(t *testing.T) {
			p := open(t, "/")
			p.say(consume(queue, 2))
			p.expect(basicConsumeOk)
			last := uint64(300)
			if size > 1000 {
				last = 3
			}
			for want := uint64(1); want <= last; want++ {
				tag, content := p.delivery(size)
				if tag != want {
					t.Fatalf("delivery %d, want %d", tag, want)
				}
				if err := body.Check(content, size, want); err != nil {
					t.Fatal(err)
				}
			}
			p.counted(0, 0) // and nothing comes before the answer
		})
	}
}

func TestThePrefetchIsHonoured(t *testing.T) {
	p := open(t, "/")
	p.say(call(1, basicQos, 0, 0, 0, 0, 0, 10, 0))
	p.expect(basicQosOk)
	p.say(consume("25x1", 0))
	p.expect(basicConsumeOk)
	take := func(first, last uint64) {
		t.Helper()
		for want := first; want <= last; want++ {
			if tag, _ := p.delivery(1); tag != want {
				t.Fatalf("delivery %d, want %d", tag, want)
			}
		}
	}
	take(1, 10)
	p.counted(0, 0) // no eleventh
	p.say(ack(7, 1))
	take(11, 17)
	p.counted(0, 7)
	p.say(ack(17, 1))
	take(18, 25)
	for tag := uint64(18); tag <= 25; tag++ {
		p.say(ack(tag, 0))
	}
	p.counted(0, 25)
}

func TestAPublishComesBack(t *testing.T) {
	p := open(t, "/")
	p.say(declare(pingpong))
	p.expect(queueDeclareOk)
	p.say(message([]byte("early")))
	p.say(consume(pingpong, 2))
	p.expect(basicConsumeOk)
	p.say(message([]byte("later")))
	for i, want := range []string{"early", "later"} {
		if tag, got := p.delivery(5); tag != uint64(i+1) || string(got) != want {
			t.Errorf("delivery %d %q, want %q", tag, got, want)
		}
	}
}

func TestWhatIsNoAMQPEndsItsConnection(t *testing.T) {
	noEnd := func(b []byte) []byte {
		b = bytes.Clone(b)
		b[len(b)-1] = 0
		return b
	}
	for name, said := range map[string][]byte{
		"a method without a number":   appendFrame(nil, frameMethod, 1, []byte{0, 60}),
		"an empty method":             appendFrame(nil, frameMethod, 0, nil),
		"an unknown method":           call(1, 99<<16|1),
		"an unknown connection's":     call(0, 99<<16|1),
		"an unknown type":             appendFrame(nil, 77, 1, nil),
		"a method without its end":    noEnd(declare("q")),
		"a body without its end":      noEnd(message([]byte("x"))),
		"a frame that is too large":   {frameMethod, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF},
		"a body that is too large":    {frameBody, 0, 1, 0, 2, 0, 0},
		"a channel that is not open":  call(9, confirmSelect, 0),
		"a publish on such":           call(9, basicPublish),
		"a channel that is":           call(1, channelOpen, 0),
		"a declare without arguments": call(1, queueDeclare),
		"a declare that is cut":       call(1, queueDeclare, 0, 0, 200, 'q'),
		"a consume without arguments": call(1, basicConsume),
		"a consume that is cut":       call(1, basicConsume, 0, 0, 1, 'q', 5, 't'),
		"a cancel that is cut":        call(1, basicCancel, 5),
		"a qos that is cut":           call(1, basicQos, 0, 0),
		"an ack that is cut":          append(consume("1x1", 0), call(1, basicAck, 0)...),
		"an open that is cut":         call(0, connectionOpen, 9, '/'),
		"an open of something else":   call(0, connectionOpen, shortString(nil, "holdall")...),
		"a tune-ok that is cut":       call(0, connectionTuneOk, 0),
		"frames that hold nothing":    call(0, connectionTuneOk, 0, 0, 0, 0, 0, 8, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, "/")
			p.say(said)
			p.end()
		})
	}
}

// end reads until the sink has hung up.
func (p *peer) end() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p); errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Error("the connection lives")
	}
}

func TestAnotherProtocolEndsItsConnection(t *testing.T) {
	p := dial(t)
	p.say([]byte("GET / HTTP/1.1\r\n\r\n"))
	p.end()
}

func TestAcksForWhatWasNotDeliveredEndTheirConnection(t *testing.T) {
	for name, wrong := range map[string][]byte{
		"of none":        ack(0, 0),
		"of one to come": ack(4, 0),
		"of many":        ack(99, 1),
		"once more":      append(ack(3, 1), ack(3, 1)...),
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, "/")
			p.say(call(1, basicQos, 0, 0, 0, 0, 0, 10, 0))
			p.expect(basicQosOk)
			p.say(consume("3x1", 0))
			p.expect(basicConsumeOk)
			for range 3 {
				p.delivery(1)
			}
			p.say(wrong)
			p.end()
		})
	}
}

// Whatever comes, the sink lives.
func FuzzInput(f *testing.F) {
	f.Add(declare("q"))
	f.Add(consume("10x3p", 2))
	f.Add(message([]byte("body")))
	f.Add(append(declare(pingpong), message([]byte("body"))...))
	f.Fuzz(func(t *testing.T, said []byte) {
		here, there := net.Pipe()
		go io.Copy(io.Discard, there)
		defer there.Close()
		s := newSession(here)
		defer s.stop()
		s.input(append(bytes.Clone(greeting), call(1, channelOpen, 0)...))
		s.input(said)
	})
}
