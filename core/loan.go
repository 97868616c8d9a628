package core

// PublishLoan is Publish for a large body that is lent instead of copied: it
// must not change until release has run. From about 16 KiB this is cheaper than
// copying. Everything else of p is copied.
//
// A non-nil error, as Publish's, means that release is never called. Else it
// runs exactly once, later, from a driver-side call: with nil when the transport
// took the whole body or CopyLoans has copied the rest, else with what ended the
// connection or, for a body that did not begin to be sent, the channel. It must not
// be nil.
func (ch *Channel) PublishLoan(p *Publishing, release func(error)) (seq uint64, err error) {
	if release == nil {
		return 0, &ConfigError{"release", "nil", "set"}
	}
	return ch.publish(p, release)
}

// CopyLoans makes copies of what has not been sent of loans of that body, from its
// first byte on, and so gives them back: each release runs in the next Feed, Tick or
// Lost. It is for lenders who cannot wait for a transport that is slow to take them. A
// loan that ClientConfig.Serial holds back on a channel that is being closed comes back
// with the channel's end.
func (c *Conn) CopyLoans(body []byte) {
	if len(body) == 0 {
		return
	}
	copied := c.out.copyLoans(&body[0])
	if c.serial != nil {
		copied = append(copied, c.serial.held.copyLoans(&body[0])...)
	}
	if len(copied) > 0 {
		l := c.out.borrowed()
		l.copied = append(l.copied, copied...)
	}
}

// returnCopied releases what CopyLoans has copied.
func (c *Conn) returnCopied() {
	for l := c.out.loans; l != nil && len(l.copied) > 0; {
		release := l.copied[0]
		l.copied = l.copied[1:]
		release(nil)
	}
}

// returnLoans releases what will not be sent, on a connection that is over.
func (c *Conn) returnLoans(reason error) {
	settled := false
	defer func() {
		if !settled {
			c.returnLoans(reason)
		}
	}()
	c.returnCopied()
	for release := c.out.orphan(); release != nil; release = c.out.orphan() {
		release(reason)
	}
	settled = true
}
