// Package driver binds a core.Conn to an adapters.Loop: it dials, with retries
// over several endpoints, runs the state machine inside the loop's callbacks,
// moves bytes and deadlines between the two, and lets other goroutines in by
// AddCallbackThreadsafe.
//
//	loop := stdnet.New()
//	conn, err := driver.Dial(ctx, loop, driver.Params{}, handler)
//	if err != nil {
//		return err
//	}
//	conn.AddCallbackThreadsafe(func(c *core.Conn) {
//		ch, err := c.OpenChannel(nil)
//		…
//	})
//
// Handlers and callbacks run on the loop, one at a time for each connection.
// What they call is sent when they return; so a timer of the loop's own, say, is
// no place to call a core.Conn: use CallLater or AddCallbackThreadsafe.
// They must not wait: a callback that blocks holds up its connection, and on
// most loops others, too. Long work belongs in a goroutine of its own, which
// comes back by AddCallbackThreadsafe to ack.
//
// Serve is the other side: it accepts clients from a net.Listener and runs
// core's server role for each. TLS works for both sides and asks nothing of the
// loop: the handshake runs on the real connection, and what follows in memory.
package driver
