package differential

import (
	"net"
	"sync"

	"github.com/haypile/haypile/core/wire"
)

// event is what came from the server: a method with its content, or another
// thing, by its name.
type event struct {
	channel uint16
	method  wire.Method
	props   wire.RawProperties
	body    []byte
	settled []uint64 // by a confirm
	other   string   // "eof", …
}

// peer is one connection to the server under test: a socket, the frames that
// came from it, and the little state that answering takes. It judges nothing.
type peer struct {
	name   string
	conn   net.Conn
	manual bool
	news   func() // an event is there

	mu       sync.Mutex
	events   []event
	frameMax uint32
	open     map[uint16]*lane
	ended    bool
	parted   bool // the server has agreed to a close
	done     chan struct{}
}

// lane is a channel that takes requests.
type lane struct {
	flows   []bool // the channel.flow sent and not answered; true for those of sync
	busy    bool   // in the middle of content, or of something that is no method
	settled map[uint64]bool
}

func newPeer(name string, conn net.Conn, manual bool, news func()) *peer {
	p := &peer{name: name, conn: conn, manual: manual, news: news,
		frameMax: wire.FrameMinSize, open: map[uint16]*lane{}, done: make(chan struct{})}
	go p.read()
	return p
}

// write sends bytes. A socket that is gone tells so where it is read.
func (p *peer) write(b []byte) { p.conn.Write(b) }

// send is write for a method, whose frame the peer takes note of.
func (p *peer) send(channel uint16, m wire.Method) error {
	b, err := wire.AppendMethodFrame(nil, channel, m)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(channel, m, false)
	p.write(b)
	return nil
}

// note keeps account of the methods that are about to be sent.
func (p *peer) note(channel uint16, m wire.Method, sync bool) {
	switch m := m.(type) {
	case *wire.ChannelFlow:
		if l := p.open[channel]; l != nil {
			l.flows = append(l.flows, sync)
		}
	case *wire.TxCommit:
		if l := p.open[channel]; l != nil {
			l.busy = true // RabbitMQ takes nothing else before its answer
		}
	case *wire.ChannelClose:
		delete(p.open, channel)
	case *wire.ConnectionClose, *wire.ConnectionCloseOk:
		clear(p.open)
	case *wire.ConnectionTuneOk:
		if m.FrameMax != 0 {
			p.frameMax = m.FrameMax
		}
	}
}

// read takes frames apart until the socket ends.
func (p *peer) read() {
	defer close(p.done)
	var (
		buf     []byte
		chunk   = make([]byte, 64<<10)
		partial = map[uint16]*event{}
		missing = map[uint16]uint64{}
	)
	for {
		n, err := p.conn.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			if len(buf) >= 8 && string(buf[:4]) == "AMQP" {
				p.add(event{other: "header " + quote(string(buf[:8]))})
				buf = buf[8:]
				continue
			}
			f, size, parseErr := wire.ParseFrame(buf, 0)
			if parseErr != nil {
				p.add(event{other: "garbage: " + parseErr.Error()})
				buf = nil
			}
			if size == 0 {
				break
			}
			p.frame(f, partial, missing)
			buf = buf[size:]
		}
		if err != nil {
			p.add(event{other: "eof"})
			return
		}
	}
}

func (p *peer) frame(f wire.Frame, partial map[uint16]*event, missing map[uint16]uint64) {
	switch f.Type {
	case wire.FrameHeartbeat:
		return // they come when they come
	case wire.FrameMethod:
		m, err := wire.Decode(f.Payload)
		if err != nil {
			p.add(event{channel: f.Channel, other: "undecodable: " + err.Error()})
			return
		}
		if m.ID().HasContent() {
			partial[f.Channel] = &event{channel: f.Channel, method: m}
			return
		}
		p.add(event{channel: f.Channel, method: m})
		return
	case wire.FrameHeader:
		_, size, props, err := wire.ParseContentHeader(f.Payload)
		e := partial[f.Channel]
		if err != nil || e == nil {
			p.add(event{channel: f.Channel, other: "content header out of place"})
			return
		}
		e.props, missing[f.Channel] = props.Clone(), size
	case wire.FrameBody:
		e := partial[f.Channel]
		if e == nil {
			p.add(event{channel: f.Channel, other: "body out of place"})
			return
		}
		e.body = append(e.body, f.Payload...)
		missing[f.Channel] -= uint64(len(f.Payload))
	}
	if missing[f.Channel] == 0 {
		p.add(*partial[f.Channel])
		delete(partial, f.Channel)
	}
}

// add takes note of an event, and answers it unless the script does.
func (p *peer) add(e event) {
	p.mu.Lock()
	defer p.news()
	defer p.mu.Unlock()
	if e.other == "eof" {
		p.ended = true
		clear(p.open)
		if p.parted {
			return // either side may go first
		}
	}
	switch m := e.method.(type) {
	case *wire.ChannelOpenOk:
		p.open[e.channel] = &lane{settled: map[uint64]bool{}}
	case *wire.BasicAck:
		e.settled = p.open[e.channel].settle(m.DeliveryTag, m.Multiple)
	case *wire.BasicNack:
		e.settled = p.open[e.channel].settle(m.DeliveryTag, m.Multiple)
	case *wire.ChannelFlowOk:
		if l := p.open[e.channel]; l != nil && len(l.flows) > 0 {
			synced := l.flows[0]
			l.flows = l.flows[1:]
			if synced {
				return
			}
		}
	case *wire.TxCommitOk:
		if l := p.open[e.channel]; l != nil {
			l.busy = false
		}
	case *wire.ChannelClose:
		delete(p.open, e.channel)
		p.answer(e.channel, &wire.ChannelCloseOk{})
	case *wire.ConnectionClose:
		clear(p.open)
		p.answer(0, &wire.ConnectionCloseOk{})
	case *wire.ConnectionCloseOk:
		p.parted = true
	case *wire.ConnectionTune:
		if m.FrameMax != 0 {
			p.frameMax = m.FrameMax
		}
	}
	p.events = append(p.events, e)
}

// settle are the numbers that a confirm settles.
func (l *lane) settle(tag uint64, multiple bool) (tags []uint64) {
	if l == nil || !multiple {
		tags = []uint64{tag}
	} else {
		for n := uint64(1); n <= tag; n++ {
			if !l.settled[n] {
				tags = append(tags, n)
			}
		}
	}
	for _, n := range tags {
		if l != nil {
			l.settled[n] = true
		}
	}
	return tags
}

func (p *peer) answer(channel uint16, m wire.Method) {
	if p.manual {
		return
	}
	b, err := wire.AppendMethodFrame(nil, channel, m)
	if err == nil {
		p.write(b)
	}
}

// sync begins a round trip on each channel that can take one.
func (p *peer) sync() {
	p.mu.Lock()
	defer p.mu.Unlock()
	flow := &wire.ChannelFlow{Active: true}
	var out []byte
	for channel, l := range p.open {
		if l.busy {
			continue
		}
		b, err := wire.AppendMethodFrame(out, channel, flow)
		if err != nil {
			continue // it has no field that could not be encoded
		}
		out = b
		p.note(channel, flow, true)
	}
	if len(out) > 0 {
		p.write(out)
	}
}

// synced tells that all round trips are over.
func (p *peer) synced() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.open {
		if len(l.flows) > 0 {
			return false
		}
	}
	return true
}

// peek is a copy of the events, which stay.
func (p *peer) peek() []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]event(nil), p.events...)
}

// drop forgets the first n events.
func (p *peer) drop(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = p.events[n:]
}

// over tells that the socket has ended.
func (p *peer) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

func (p *peer) opened(channel uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[channel] != nil
}

func (p *peer) close() {
	p.conn.Close()
	<-p.done
}

// truncate keeps the first n events.
func (p *peer) truncate(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = p.events[:n]
}
