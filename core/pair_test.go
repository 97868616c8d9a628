package core_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/coretest"
	"github.com/haypile/haypile/core/wire"
)

// talk is a client and a server that do what the bytes of a fuzzer say. The
// server answers every request; it delivers what is published to the channel's
// consumers, and confirms. Both keep books, which must agree in the end.
type talk struct {
	core.NopClient
	t    *testing.T
	pair *coretest.Pair
	r    *rand.Rand

	said     []*saidChannel
	heard    map[*core.Channel]*heardChannel
	closed   [2]int // OnClose of the client, of the server
	asked    int    // requests with a callback
	answered int
	lent     int
	returned int
	broken   bool
}

// saidChannel is a channel as the client sees it.
type saidChannel struct {
	core.NopChannel
	m         *talk
	ch        *core.Channel
	confirms  map[uint64]bool // that came
	published uint64          // with a number
	acks      int             // sent
	closed    int
	clean     bool // the client closed it, or it lived to the end
	streams   int  // begun and not ended
}

// heardChannel is a channel as the server sees it.
type heardChannel struct {
	core.NopServerChannel
	m         *talk
	confirmed map[uint64]bool // acks and nacks that were sent, settled one by one
	acked     int             // deliveries that the client acked
	delivered uint64
	tags      []string
	closed    int
}

func (m *talk) OnClose(*core.Conn, error) { m.closed[0]++ }

// talkServer is the server's handler of a talk.
type talkServer struct {
	core.NopServer
	m *talk
}

func (k talkServer) OnAuth(c *core.Conn, _ string, _ wire.Secret)         { c.Accept() }
func (k talkServer) OnUpdateSecret(c *core.Conn, _ wire.Secret, _ string) { c.Accept() }
func (k talkServer) OnClose(*core.Conn, error)                            { k.m.closed[1]++ }
func (k talkServer) OnChannel(_ *core.Conn, ch *core.Channel) core.ServerChannelHandler {
	c := &heardChannel{m: k.m, confirmed: map[uint64]bool{}}
	k.m.heard[ch] = c
	return c
}

func (c *heardChannel) OnMethod(ch *core.Channel, method wire.Method) {
	switch q := method.(type) {
	case *wire.BasicAck:
		c.acked++
	case *wire.BasicConsume:
		c.tags = append(c.tags, q.ConsumerTag)
		if !q.NoWait {
			ok(c.m.t, ch.Send(&wire.BasicConsumeOk{ConsumerTag: q.ConsumerTag}))
		}
	case *wire.BasicCancel:
		c.tags = nil // the client has one at a time
		if !q.NoWait {
			ok(c.m.t, ch.Send(&wire.BasicCancelOk{ConsumerTag: q.ConsumerTag}))
		}
	case *wire.BasicGet:
		if c.m.r.IntN(2) == 0 {
			ok(c.m.t, ch.Send(&wire.BasicGetEmpty{}))
			return
		}
		c.delivered++
		ok(c.m.t, ch.GetOk(&wire.BasicGetOk{DeliveryTag: c.delivered}, &core.Content{Body: []byte("got")}))
	case *wire.QueueDeclare:
		if q.Queue == "missing" {
			ok(c.m.t, ch.Fail(wire.NotFound, "NOT_FOUND", q.ID()))
			return
		}
		ok(c.m.t, ch.Send(&wire.QueueDeclareOk{Queue: q.Queue}))
	case *wire.ConfirmSelect:
		ok(c.m.t, ch.Send(&wire.ConfirmSelectOk{}))
	}
}

func (c *heardChannel) OnPublish(ch *core.Channel, p *core.Published) {
	if len(c.tags) > 0 {
		c.delivered++
		ok(c.m.t, ch.Deliver(&wire.BasicDeliver{ConsumerTag: c.tags[0], DeliveryTag: c.delivered}, &core.Content{RawProperties: p.Properties, Body: p.Body}))
	} else if p.Mandatory {
		ok(c.m.t, ch.Return(&wire.BasicReturn{ReplyCode: wire.NoRoute, Exchange: p.Exchange, RoutingKey: p.RoutingKey}, &core.Content{RawProperties: p.Properties, Body: p.Body}))
	}
	if p.Seq == 0 {
		return
	}
	switch c.m.r.IntN(4) {
	case 0: // later, with multiple
	case 1:
		ok(c.m.t, ch.Send(&wire.BasicNack{DeliveryTag: p.Seq}))
		c.confirmed[p.Seq] = true
	case 2:
		ok(c.m.t, ch.Send(&wire.BasicAck{DeliveryTag: p.Seq, Multiple: true}))
		for n := uint64(1); n <= p.Seq; n++ {
			c.confirmed[n] = true
		}
	default:
		ok(c.m.t, ch.Send(&wire.BasicAck{DeliveryTag: p.Seq}))
		c.confirmed[p.Seq] = true
	}
}

func (c *heardChannel) OnClose(*core.Channel, error) { c.closed++ }

func (s *saidChannel) OnConfirm(ch *core.Channel, c core.Confirm) {
	for n := c.First; n <= c.Last; n++ {
		if n == 0 || n > s.published || s.confirms[n] {
			s.m.t.Errorf("publish %d of %d is confirmed, again %v", n, s.published, s.confirms[n])
		}
		s.confirms[n] = true
	}
}

func (s *saidChannel) OnReturn(_ *core.Channel, r *core.Return) {
	if s.confirms[r.Seq] {
		s.m.t.Errorf("publish %d is returned after its confirm", r.Seq)
	}
}

func (s *saidChannel) OnClose(*core.Channel, error) {
	s.closed++
	if s.streams != 0 {
		s.m.t.Error("a stream did not end before its channel")
	}
}

func (s *saidChannel) OnBegin(d *core.Delivery, _ uint64) {
	s.streams++
	s.ack(d)
}
func (s *saidChannel) OnChunk([]byte) {}
func (s *saidChannel) OnEnd(error)    { s.streams-- }

func (s *saidChannel) ack(d *core.Delivery) {
	if d != nil && s.ch.Ack(d.DeliveryTag, false) == nil {
		s.acks++
	}
}

// asks counts a request whose callback must run once.
func asks[R any](m *talk) func(R, error) {
	m.asked++
	return func(R, error) { m.answered++ }
}

// step does what a byte says.
func (m *talk) step(b byte) {
	c := m.pair.Client
	var s *saidChannel
	if len(m.said) > 0 {
		s = m.said[int(b>>4)%len(m.said)]
	}
	switch op := b & 15; {
	case op == 0 || s == nil:
		m.open()
	case op == 1:
		m.request(s, func() error { return s.ch.ConfirmSelect(&wire.ConfirmSelect{}, asks[*wire.ConfirmSelectOk](m)) })
	case op == 2:
		m.request(s, func() error { return s.ch.QueueDeclare(&wire.QueueDeclare{Queue: "q"}, asks[*wire.QueueDeclareOk](m)) })
	case op == 3:
		m.request(s, func() error {
			return s.ch.QueueDeclare(&wire.QueueDeclare{Queue: "missing"}, asks[*wire.QueueDeclareOk](m))
		})
		s.clean = false
	case op == 4:
		tag := fmt.Sprint("c", m.r.IntN(2))
		on := func(d *core.Delivery) { s.ack(d) }
		m.request(s, func() error {
			return s.ch.Consume(&wire.BasicConsume{ConsumerTag: tag}, on, asks[*wire.BasicConsumeOk](m))
		})
	case op == 5:
		m.request(s, func() error {
			return s.ch.ConsumeStream(&wire.BasicConsume{ConsumerTag: "s"}, s, asks[*wire.BasicConsumeOk](m))
		})
	case op == 6:
		m.request(s, func() error {
			got := asks[*core.Delivery](m)
			return s.ch.Get(&wire.BasicGet{}, func(d *core.Delivery, err error) { s.ack(d); got(d, err) })
		})
	case op == 7:
		if s.ch.Close(0, "") == nil {
			s.clean = true
		}
	case op == 8:
		m.pair.Settle()
	case op == 9:
		m.pair.Pass(time.Duration(m.r.IntN(20)) * time.Second)
	case op == 10:
		m.pair.Stall(coretest.Side(m.r.IntN(2)), b>>4 < 8)
	case op == 11 && b>>4 == 15:
		m.broken = true
		m.pair.Cut(coretest.Side(m.r.IntN(2)), m.r.IntN(100))
	case op == 11:
		m.asked++
		if c.UpdateSecret(wire.NewSecret("s"), "", func(error) { m.answered++ }) != nil {
			m.asked--
		}
	default:
		m.publish(s, op)
	}
}

func (m *talk) request(s *saidChannel, call func() error) {
	before := m.asked
	if err := call(); err != nil {
		m.asked = before
	}
}

func (m *talk) open() {
	s := &saidChannel{m: m, confirms: map[uint64]bool{}}
	ch, err := m.pair.Client.OpenChannel(s)
	if err == nil {
		s.ch = ch
		m.said = append(m.said, s)
	}
}

func (m *talk) publish(s *saidChannel, op byte) {
	p := &core.Publishing{RoutingKey: "k", Mandatory: op == 13, Body: make([]byte, m.r.IntN(10)*m.r.IntN(2000))}
	var seq uint64
	var err error
	if op == 14 {
		seq, err = s.ch.PublishLoan(p, func(error) { m.returned++ })
		if err == nil {
			m.lent++
		}
	} else {
		seq, err = s.ch.Publish(p)
	}
	if err == nil && seq > 0 {
		s.published = seq
	}
	if err != nil && !errors.Is(err, core.ErrBackpressure) && !errors.Is(err, core.ErrClosed) {
		m.t.Error(err)
	}
}

// FuzzPair lets a client and a server talk. Whatever the client does and
// however the network cuts it, both books agree.
func FuzzPair(f *testing.F) {
	f.Add(uint64(1), false, []byte{0, 1, 12, 12, 13, 8, 4, 12, 8, 7, 8})
	f.Add(uint64(2), true, []byte{0, 1, 2, 4, 12, 0, 0x15, 0x1c, 0x1e, 6, 8, 3, 12, 8, 9})
	f.Add(uint64(3), false, []byte{0, 4, 14, 14, 0xfb, 12, 12, 8})
	f.Add(uint64(4), false, []byte{0, 5, 12, 10, 12, 14, 9, 9, 9, 9, 9})
	f.Add(uint64(5), true, []byte{0, 0, 0, 0x10, 1, 0x11, 12, 0x1d, 0x0a, 14, 14, 0xfa, 8, 11, 8})
	f.Fuzz(func(t *testing.T, seed uint64, serial bool, steps []byte) {
		if len(steps) > 500 {
			steps = steps[:500]
		}
		playTalk(t, seed, serial, steps)
	})
}

func playTalk(t *testing.T, seed uint64, serial bool, steps []byte) {
	m := &talk{t: t, r: rand.New(rand.NewPCG(seed, 1)), heard: map[*core.Channel]*heardChannel{}}
	client, err := core.NewClient(core.ClientConfig{Serial: serial, MaxBuffered: 100_000, Heartbeat: 10 * time.Second}, m)
	ok(t, err)
	server, err := core.NewServer(core.ServerConfig{FrameMax: 4096 + uint32(seed%3)*1000, MaxBuffered: 1 << 24}, talkServer{m: m})
	ok(t, err)
	m.pair, err = coretest.NewPair(client, server)
	ok(t, err)
	m.pair.Latency = time.Duration(seed%5) * time.Millisecond
	m.pair.Window = 10_000
	m.pair.Split = func(p []byte) int { return 1 + m.r.IntN(len(p)) }
	m.pair.Settle()
	for _, b := range steps {
		m.step(b)
		if n := client.Buffered(); n > 100_000+20_000+100*len(steps) {
			t.Fatalf("the client buffers %d bytes", n)
		}
	}
	m.finish()
}

// finish ends the connection in order, if it still stands, and compares the
// books.
func (m *talk) finish() {
	m.pair.Stall(coretest.ClientSide, false)
	m.pair.Stall(coretest.ServerSide, false)
	m.pair.Settle()
	orderly := m.pair.Client.IsOpen() && m.pair.Server.IsOpen() && !m.broken
	if orderly {
		m.compareBooks()
	}
	m.pair.Client.Close(0, "")
	m.pair.Settle()
	m.pair.Break(errors.New("over"))
	if m.closed != [2]int{1, 1} || !m.pair.Client.Finished() || !m.pair.Server.Finished() {
		m.t.Errorf("OnClose ran %v times, finished %v and %v", m.closed, m.pair.Client.Finished(), m.pair.Server.Finished())
	}
	for _, s := range m.said {
		if s.closed != 1 {
			m.t.Errorf("OnClose of a client's channel ran %d times", s.closed)
		}
	}
	for _, c := range m.heard {
		if c.closed != 1 {
			m.t.Errorf("OnClose of a server's channel ran %d times", c.closed)
		}
	}
	if m.asked != m.answered || m.lent != m.returned {
		m.t.Errorf("%d requests had %d answers, %d loans were returned %d times", m.asked, m.answered, m.lent, m.returned)
	}
}

// compareBooks compares the channels that are open at both ends when nothing is
// on its way.
func (m *talk) compareBooks() {
	ends := map[uint16]*heardChannel{}
	for ch, c := range m.heard {
		if c.closed == 0 {
			ends[ch.Number()] = c
		}
	}
	for _, s := range m.said {
		if s.closed > 0 {
			continue
		}
		c := ends[s.ch.Number()]
		if c == nil {
			m.t.Errorf("channel %d is open for the client alone", s.ch.Number())
			continue
		}
		if s.acks != c.acked {
			m.t.Errorf("the client acked %d deliveries, the server saw %d", s.acks, c.acked)
		}
		if s.ch.Unconfirmed() != int(s.published)-len(s.confirms) || len(s.confirms) != len(c.confirmed) {
			m.t.Errorf("of %d publishes the client saw %d confirmed and misses %d, the server confirmed %d", s.published, len(s.confirms), s.ch.Unconfirmed(), len(c.confirmed))
		}
		for n := range c.confirmed {
			if !s.confirms[n] {
				m.t.Errorf("confirm %d did not arrive", n)
			}
		}
	}
}
