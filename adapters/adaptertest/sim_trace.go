package adaptertest

import (
	"fmt"
	"time"
)

// SimEvent is something that happened on a Sim's network.
type SimEvent struct {
	Time    time.Duration // since NewSim
	Conn    int           // number of the connection, or of the dial
	Server  bool          // at the end that was accepted, else at the one that dialled
	What    string        // dials, connected, refused, sends, gets, gets end, reset
	Bytes   int           // of sends and gets
	Address string        // of dials, connected and refused
}

// String is such as "5.000001ms 1 server gets 8 bytes".
func (e SimEvent) String() string {
	side := "client"
	if e.Server {
		side = "server"
	}
	text := fmt.Sprintf("%v %d %s %s", e.Time, e.Conn, side, e.What)
	switch {
	case e.Address != "":
		return text + " " + e.Address
	case e.Bytes > 0:
		return fmt.Sprintf("%s %d bytes", text, e.Bytes)
	}
	return text
}

// trace tells, under mu, what happens.
func (s *Sim) trace(e SimEvent) {
	if s.config.Trace != nil {
		e.Time = time.Since(s.begin)
		s.config.Trace(e)
	}
}

func (c *SimConn) trace(what string, bytes int) {
	c.sim.trace(SimEvent{Conn: c.number, Server: c.server, What: what, Bytes: bytes})
}
