package coretest

import (
	"io"
	"time"

	"github.com/haypile/haypile/core"
)

// Epoch is where the clock of a Pair and of scripts begins.
var Epoch = time.Unix(1_000_000_000, 0).UTC()

// Side is one end of a Pair.
type Side int

// The ends of a Pair.
const (
	ClientSide Side = iota
	ServerSide
)

func (s Side) other() Side { return 1 - s }

// Pair is a client and a server joined by a virtual network, with a virtual
// clock: nothing happens but inside its methods, and no time passes but there.
// Between them, the test uses the user side of both Conns as it likes.
//
// What is lent to a Conn is overwritten when Feed returns, so that a handler
// that keeps it is found out.
type Pair struct {
	Client, Server *core.Conn
	// Latency is what a byte takes from one end to the other. It may be changed
	// at any time, and never makes a byte overtake another.
	Latency time.Duration
	// Window is how many bytes the network takes from a sender before the
	// receiver reads them; the rest waits in the sender's Conn. 0 is no limit.
	Window int
	// Split cuts what arrives: of p, which is not empty, that many bytes are fed
	// at a time. Nil feeds whatever arrived together.
	Split func(p []byte) int

	now  time.Time
	ends [2]end
}

// end is one of the Conns and the way of its output to the other.
type end struct {
	conn    *core.Conn
	way     []packet
	size    int  // bytes on the way
	stalled bool // the Conn does not read
	cut     int  // bytes that still get through, -1 for all
	closed  bool // the transport is closed on this side
	dead    bool // it has been told
}

type packet struct {
	at time.Time
	p  []byte
}

// NewPair joins the two and starts them. Their handshake has not begun: Settle
// lets it run.
func NewPair(client, server *core.Conn) (*Pair, error) {
	p := &Pair{Client: client, Server: server, now: Epoch}
	p.ends = [2]end{{conn: client, cut: -1}, {conn: server, cut: -1}}
	for i := range p.ends {
		if err := p.ends[i].conn.Start(p.now); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Now is the virtual time.
func (p *Pair) Now() time.Time { return p.now }

// Settle lets everything happen that needs no more time than bytes need on their
// way: afterwards nothing is under way that somebody would read.
func (p *Pair) Settle() {
	for p.move() || p.arrive() {
	}
}

// Pass lets d pass: bytes arrive and deadlines expire on the way.
func (p *Pair) Pass(d time.Duration) {
	until := p.now.Add(d)
	for {
		for p.move() {
		}
		next := until
		for i := range p.ends {
			next = sooner(next, p.arrival(Side(i)))
			if !p.ends[i].closed {
				next = sooner(next, p.ends[i].conn.NextDeadline())
			}
		}
		p.now = later(p.now, next)
		p.tick()
		if !next.Before(until) && !p.move() {
			return
		}
	}
}

// Stall makes a side stop reading, and read again.
func (p *Pair) Stall(s Side, on bool) { p.ends[s].stalled = on }

// Cut lets n more bytes of what the side sends through and then breaks the
// connection, for both.
func (p *Pair) Cut(s Side, n int) { p.ends[s].cut = n }

// Break ends the transport now: both Conns are told the error, and what was on
// its way is lost.
func (p *Pair) Break(err error) {
	for i := range p.ends {
		e := &p.ends[i]
		e.way, e.size, e.closed = nil, 0, true
		e.lose(err, p.now)
	}
}

func (e *end) lose(err error, now time.Time) {
	if !e.dead {
		e.dead = true
		e.conn.Lost(err, now)
	}
}

// tick lets deadlines expire.
func (p *Pair) tick() {
	for i := range p.ends {
		if e := &p.ends[i]; !e.dead && !e.closed {
			e.conn.Tick(p.now)
		}
	}
}

// move does what can be done now, once.
func (p *Pair) move() bool {
	moved := false
	for i := range p.ends {
		s := Side(i)
		moved = p.send(s) || p.deliver(s.other()) || moved
	}
	return moved
}

// send takes output of a side onto the network.
func (p *Pair) send(s Side) bool {
	e := &p.ends[s]
	if e.closed {
		return false
	}
	n := 0
	for _, segment := range e.conn.Outbound(nil) {
		segment = segment[:p.room(e, len(segment))]
		if len(segment) == 0 {
			break
		}
		if e.cut > 0 {
			e.cut -= len(segment)
		}
		e.way = append(e.way, packet{p.now.Add(p.Latency), append([]byte(nil), segment...)})
		e.size += len(segment)
		n += len(segment)
	}
	if n > 0 {
		e.conn.Advance(n)
	}
	if e.conn.Finished() || e.cut == 0 {
		e.closed = true
		e.way = append(e.way, packet{at: p.now.Add(p.Latency)}) // the end of the stream
		return true
	}
	return n > 0
}

// room is how many of n bytes the network takes.
func (p *Pair) room(e *end, n int) int {
	if p.Window > 0 {
		n = min(n, max(p.Window-e.size, 0))
	}
	if e.cut >= 0 {
		n = min(n, e.cut)
	}
	return n
}

// deliver feeds to a side what has arrived for it.
func (p *Pair) deliver(s Side) bool {
	e, from := &p.ends[s], &p.ends[s.other()]
	if e.stalled || len(from.way) == 0 || from.way[0].at.After(p.now) {
		return false
	}
	first := &from.way[0]
	if len(first.p) == 0 {
		from.way = from.way[1:]
		if from.closed && len(from.way) == 0 {
			p.end(s)
		}
		return true
	}
	n := len(first.p)
	if p.Split != nil {
		n = min(max(p.Split(first.p), 1), n)
	}
	piece := first.p[:n:n]
	first.p = first.p[n:]
	from.size -= n
	if len(first.p) == 0 {
		from.way = from.way[1:]
	}
	if !e.dead {
		e.conn.Feed(piece, p.now)
	}
	for i := range piece {
		piece[i] = 0x55
	}
	return true
}

// end tells a side that the other's stream has ended.
func (p *Pair) end(s Side) {
	e, from := &p.ends[s], &p.ends[s.other()]
	if from.cut == 0 {
		p.Break(io.ErrUnexpectedEOF)
		return
	}
	e.closed = true
	e.lose(io.EOF, p.now)
}

// arrive moves the clock to the next arrival, without one there is nothing to
// settle.
func (p *Pair) arrive() bool {
	next := sooner(p.arrival(ClientSide), p.arrival(ServerSide))
	if next.IsZero() {
		return false
	}
	p.now = later(p.now, next)
	p.tick()
	return true
}

// arrival is when something reaches the side; zero for never.
func (p *Pair) arrival(s Side) time.Time {
	if way := p.ends[s.other()].way; len(way) > 0 && !p.ends[s].stalled {
		return way[0].at
	}
	return time.Time{}
}

// sooner is the earlier of two times of which zero means never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
