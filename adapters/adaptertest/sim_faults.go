package adaptertest

import "time"

// SetLatency is how long what this end sends from now on takes to arrive: latency
// and, for each packet, a random part of jitter. No byte overtakes another.
func (c *SimConn) SetLatency(latency, jitter time.Duration) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	c.out.latency, c.out.jitter = max(latency, 0), max(jitter, 0)
}

// SetBandwidth is how many bytes that this end sends from now on pass each
// second, 0 for any number.
func (c *SimConn) SetBandwidth(bytes int) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	c.out.bandwidth = max(bytes, 0)
}

// SetMaxChunk splits what this end sends from now on at random, into pieces of at
// most so many bytes that arrive one by one. 1 is byte by byte, 0 is as written.
func (c *SimConn) SetMaxChunk(bytes int) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	c.out.chunk = max(bytes, 0)
}

// Stall lets nothing more arrive that this end sends or has sent, its end
// included, until Resume: as if its process was stopped or a cable pulled. The
// other direction goes on.
func (c *SimConn) Stall() {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	c.out.stall(true)
}

// Resume ends Stall. What would have arrived meanwhile arrives now.
func (c *SimConn) Resume() {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	c.out.stall(false)
}

// Cut breaks the connection now. Both ends get syscall.ECONNRESET in a
// *net.OpError, and what is on its way is lost.
func (c *SimConn) Cut() { c.CutAfter(0) }

// CutAfter breaks the connection, as Cut does, when the peer has got n more bytes
// from this end. A negative n takes that back.
func (c *SimConn) CutAfter(n int) {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	c.out.cut = n
	if n == 0 {
		c.breakBoth()
	}
}
