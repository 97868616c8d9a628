package blocking

import (
	"context"
	"slices"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// UpdateSecret replaces the credential of the connection before it expires, an
// OAuth 2 token for instance (https://www.rabbitmq.com/docs/oauth2): it is sent on
// the connection, with a reason for the broker's log of at most 255 bytes, and
// replaces the password in all later attempts to connect, the recovery of a
// connection that is lost right now included. Mechanisms other than PLAIN and
// AMQPLAIN are asked anew by each attempt as it is, and so is WithCredentials.
//
// It waits for the broker's answer; a broker that refuses closes the connection.
// Errors: ErrClosed, ErrUnknownOutcome when the connection was lost before the
// answer, an *EncodeError or ErrFrameTooLarge for what does not fit, the context's.
func (c *Conn) UpdateSecret(ctx context.Context, secret Secret, reason string) error {
	if err := c.renew(secret); err != nil {
		return err
	}
	w := newWaiter[wire.Method]()
	w.run = func(cc *core.Conn) error {
		return counted(c, func(done func(wire.Method, error)) error {
			return cc.UpdateSecret(secret, reason, func(err error) { done(nil, err) })
		}, w.settle)
	}
	return w.send(ctx, c, op{kind: opCall, call: &w.self})
}

// renew has later attempts use the secret.
func (c *Conn) renew(secret Secret) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	mechanisms := slices.Clone(c.params.Client.Mechanisms)
	if len(mechanisms) == 0 {
		mechanisms = []Mechanism{Plain("guest", secret)}
	}
	for i, m := range mechanisms {
		renewed, err := withSecret(m, secret)
		if err != nil {
			return err
		}
		mechanisms[i] = renewed
	}
	c.params.Client.Mechanisms = mechanisms
	return nil
}

// withSecret is the mechanism for the same user with another password.
func withSecret(m Mechanism, secret Secret) (Mechanism, error) {
	parse, create := core.ParsePlain, Plain
	switch m.Name() {
	case "PLAIN":
	case "AMQPLAIN":
		parse, create = core.ParseAMQPlain, AMQPlain
	default:
		return m, nil
	}
	response, err := m.Response()
	if err != nil {
		return nil, err
	}
	user, _, err := parse(response)
	if err != nil {
		return nil, err
	}
	return create(user, secret), nil
}
