package core

import "github.com/haypile/haypile/core/wire"

// UpdateSecret replaces the credential of a client's open connection, before an
// OAuth 2 token expires (https://www.rabbitmq.com/docs/oauth2). done, unless it
// is nil, runs exactly once, later: with nil when the broker took the secret,
// else with what ended the connection. Errors, of which each means that nothing
// was sent: ErrRole for a server, ErrNotOpen, ErrClosed, *wire.EncodeError for a
// reason over 255 bytes, ErrFrameTooLarge.
func (c *Conn) UpdateSecret(secret wire.Secret, reason string, done func(error)) error {
	if err := c.opens(); err != nil {
		return err
	}
	if err := c.sendUser(nil, 0, &wire.ConnectionUpdateSecret{NewSecret: secret, Reason: reason}, heldRequest, pending{}); err != nil {
		return err
	}
	if c.updates == nil {
		c.updates = new(fifo[func(error)])
	}
	c.updates.push(done)
	return nil
}

// onUpdateSecretOk: the broker took the oldest of the new secrets.
func (c *Conn) onUpdateSecretOk() error {
	if c.updates == nil {
		return offend(wire.CommandInvalid, "%s came unasked", wire.ConnectionUpdateSecretOkID)
	}
	c.replied(nil)
	if done := c.popUpdate(); done != nil {
		done(nil)
	}
	return nil
}

func (c *Conn) popUpdate() (done func(error)) {
	done = c.updates.pop()
	if c.updates.len() == 0 {
		c.updates = nil
	}
	return done
}

// failUpdates tells those who wait that the connection is over.
func (c *Conn) failUpdates(reason error) {
	settled := true
	defer func() {
		if !settled {
			c.failUpdates(reason)
		}
	}()
	for c.updates != nil {
		if done := c.popUpdate(); done != nil {
			settled = false
			done(reason)
			settled = true
		}
	}
}
