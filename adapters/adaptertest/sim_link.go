package adaptertest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"time"
)

// link is one way of a connection: what one end sends and the other gets. All of
// it is under Sim.mu.
type link struct {
	from, to *SimConn
	rand     *rand.Rand

	latency, jitter time.Duration
	bandwidth       int // bytes per second, 0 for no limit
	chunk           int // the largest piece, 0 for any
	stalled         bool
	cut             int // bytes that still get through, negative for all

	way     []packet  // sent, not arrived
	next    *event    // the arrival of way[0]
	latest  time.Time // arrival; nothing overtakes
	busy    time.Time // until then earlier bytes take up the bandwidth
	arrived [][]byte  // not read
	size    int       // bytes on the way and not read
	shut    bool      // the end has been sent
	ended   bool      // the end has arrived
	refused bool      // a reset has been sent
}

// packet is what arrives at once.
type packet struct {
	at   time.Time
	kind packetKind
	p    []byte
}

type packetKind uint8

const (
	packetData packetKind = iota
	packetEnd
	packetReset
)

// packetSize bounds packets, so that an end's output follows what has left.
const packetSize = 64 << 10

// room is how many bytes the link takes now.
func (l *link) room() int { return l.from.sim.config.Window - l.size }

// send takes as much of p as there is room for.
func (l *link) send(p []byte) (n int) {
	for n < len(p) && l.room() > 0 {
		size := min(len(p)-n, l.room(), packetSize)
		if l.chunk > 0 {
			size = min(size, 1+l.rand.IntN(l.chunk))
		}
		l.put(packetData, bytes.Clone(p[n:n+size]))
		n += size
	}
	if n > 0 {
		l.from.trace("sends", n)
	}
	return n
}

// end sends the end of the stream, once.
func (l *link) end() {
	if !l.shut {
		l.shut = true
		l.put(packetEnd, nil)
	}
}

// refuse tells an end that its bytes reach nobody, once.
func (l *link) refuse() {
	if !l.refused {
		l.refused = true
		l.put(packetReset, nil)
	}
}

// put sets a packet on its way.
func (l *link) put(kind packetKind, p []byte) {
	at := later(time.Now(), l.busy)
	if l.bandwidth > 0 {
		at = at.Add(time.Duration(float64(len(p)) / float64(l.bandwidth) * float64(time.Second)))
		l.busy = at
	}
	at = at.Add(l.latency)
	if l.jitter > 0 {
		at = at.Add(time.Duration(l.rand.Int64N(int64(l.jitter) + 1)))
	}
	l.latest = later(at, l.latest)
	l.size += len(p)
	l.way = append(l.way, packet{l.latest, kind, p})
	l.expect()
}

// expect makes the first packet arrive in time, and one at a time: what a packet
// sets off has happened before the next one comes.
func (l *link) expect() {
	if l.next == nil && len(l.way) > 0 && !l.stalled {
		l.next = l.from.sim.add(l.way[0].at, l.to.who(), l.arrive)
	}
}

func (l *link) stall(on bool) {
	l.stalled = on
	if on {
		l.from.sim.remove(l.next)
		l.next = nil
	}
	l.expect()
}

// arrive is the event.
func (l *link) arrive() {
	first := l.way[0]
	l.way, l.next = l.way[1:], nil
	switch first.kind {
	case packetData:
		l.take(first.p)
	case packetEnd:
		l.ended = true
		l.to.trace("gets end", 0)
	case packetReset:
		l.to.fail()
	}
	l.expect()
	l.to.notify()
}

// take puts bytes where the receiver finds them.
func (l *link) take(p []byte) {
	if l.to.closed {
		l.free(len(p))
		l.to.out.refuse()
		return
	}
	if t := l.to.transport; t != nil && t.closing {
		l.free(len(p))
		return
	}
	broken := l.cut >= 0 && len(p) >= l.cut
	if broken {
		l.free(len(p) - l.cut)
		p = p[:l.cut]
	}
	if l.cut >= 0 {
		l.cut -= len(p)
	}
	if len(p) > 0 {
		l.arrived = append(l.arrived, p)
		l.to.trace("gets", len(p))
	}
	if broken {
		l.from.breakBoth()
	}
}

// read takes up to most bytes of what has arrived, which the caller may keep: of all
// that, as a socket gives it, unless chunks are asked for, which then stay apart.
func (l *link) read(most int) []byte {
	p := l.readPacket(most)
	if l.chunk == 0 && len(l.arrived) > 0 && len(p) < most {
		p = slices.Clip(p) // what is sent later must not overwrite the next packet
		for len(l.arrived) > 0 && len(p) < most {
			p = append(p, l.readPacket(most-len(p))...)
		}
	}
	l.free(len(p))
	return p
}

// readPacket takes up to most bytes of the first packet that has arrived.
func (l *link) readPacket(most int) []byte {
	p := l.arrived[0]
	if len(p) > most {
		l.arrived[0] = p[most:]
		return p[:most:most]
	}
	l.arrived[0] = nil
	l.arrived = l.arrived[1:]
	return p
}

// free makes room for the sender.
func (l *link) free(n int) {
	l.size -= n
	l.from.writable()
}

// drop forgets what is on its way.
func (l *link) drop() {
	l.from.sim.remove(l.next)
	l.next = nil
	for _, packet := range l.way {
		l.size -= len(packet.p)
	}
	l.way = nil
}

// dropArrived forgets what the receiver will not read.
func (l *link) dropArrived() {
	for len(l.arrived) > 0 {
		l.read(packetSize)
	}
}
