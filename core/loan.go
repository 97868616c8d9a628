package core

// PublishLoan is Publish for a large body that is lent instead of copied: it
// must not change until release has run. From about 16 KiB this is cheaper than
// copying. Everything else of p is copied.
//
// A non-nil error, as Publish's, means that release is never called. Else it
// runs exactly once, later, from a driver-side call: with nil when the transport
// took the whole body, else with what ended the connection or, for a body that
// did not begin to be sent, the channel. It must not be nil.
func (ch *Channel) PublishLoan(p *Publishing, release func(error)) (seq uint64, err error) {
	if release == nil {
		return 0, &ConfigError{"release", "nil", "set"}
	}
	return ch.publish(p, release)
}

// returnLoans releases what will not be sent, on a connection that is over.
func (c *Conn) returnLoans(reason error) {
	settled := true
	defer func() {
		if !settled {
			c.returnLoans(reason)
		}
	}()
	for release := c.out.orphan(); release != nil; release = c.out.orphan() {
		settled = false
		release(reason)
		settled = true
	}
}
