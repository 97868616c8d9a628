package core

import (
	"errors"
	"fmt"
	"strings"

	"github.com/haypile/haypile/core/wire"
)

// Mechanism authenticates a client in the SASL dialogue of the handshake
// (AMQP 0-9-1 section 2.2.4). Implement it for mechanisms that are not here.
// Its methods run inside Feed and must not call the Conn.
//
// A value may serve several connections if it keeps no state of the dialogue.
type Mechanism interface {
	// Name as the broker offers it, such as "PLAIN".
	Name() string
	// Response is the answer to connection.start. The Conn reveals it only on
	// the wire. An error ends the connection with it.
	Response() (wire.Secret, error)
	// Challenge answers connection.secure, as often as the broker asks. The
	// challenge is valid until the call returns.
	Challenge(challenge []byte) (wire.Secret, error)
}

// Plain is PLAIN of RFC 4616: user name and password, in the clear inside the
// transport. An OAuth 2 token goes in as the password, with any user name.
func Plain(user string, password wire.Secret) Mechanism {
	return plain{user, password}
}

type plain struct {
	user     string
	password wire.Secret
}

func (p plain) Name() string { return "PLAIN" }

func (p plain) Response() (wire.Secret, error) {
	return wire.NewSecret("\x00" + p.user + "\x00" + p.password.Reveal()), nil
}

func (p plain) Challenge([]byte) (wire.Secret, error) { return unasked(p) }

// AMQPlain is AMQPLAIN: user name and password as a field table. RabbitMQ
// offers it beside PLAIN; it protects nothing more.
func AMQPlain(user string, password wire.Secret) Mechanism {
	return amqplain{user, password}
}

type amqplain struct {
	user     string
	password wire.Secret
}

func (p amqplain) Name() string { return "AMQPLAIN" }

func (p amqplain) Response() (wire.Secret, error) {
	const lengthPrefix = 4 // the response is the table's entries alone
	b, err := wire.Table{"LOGIN": p.user, "PASSWORD": p.password.Reveal()}.AppendTo(nil)
	if err != nil {
		return wire.Secret{}, err
	}
	return wire.NewSecret(string(b[lengthPrefix:])), nil
}

func (p amqplain) Challenge([]byte) (wire.Secret, error) { return unasked(p) }

// ParsePlain reads a response of the mechanism PLAIN, for a server. The error
// does not tell what the response holds.
func ParsePlain(response wire.Secret) (user string, password wire.Secret, err error) {
	_, rest, ok := strings.Cut(response.Reveal(), "\x00") // in front is whom to act as, which RabbitMQ ignores
	user, word, two := strings.Cut(rest, "\x00")
	if !ok || !two {
		return "", wire.Secret{}, errors.New("amqp: the PLAIN response is malformed")
	}
	return user, wire.NewSecret(word), nil
}

// ParseAMQPlain reads a response of the mechanism AMQPLAIN, as ParsePlain does.
func ParseAMQPlain(response wire.Secret) (user string, password wire.Secret, err error) {
	t, err := wire.RawTable(response.Reveal()).Decode(wire.Limits{Depth: 1})
	user, ok := t["LOGIN"].(string)
	word, two := t["PASSWORD"].(string)
	if err != nil || !ok || !two {
		return "", wire.Secret{}, errors.New("amqp: the AMQPLAIN response is malformed")
	}
	return user, wire.NewSecret(word), nil
}

// External is EXTERNAL of RFC 4422: the broker takes the identity from
// elsewhere, with RabbitMQ from the TLS client certificate.
// https://www.rabbitmq.com/docs/ssl#peer-verification
func External() Mechanism { return external{} }

type external struct{}

func (external) Name() string                            { return "EXTERNAL" }
func (external) Response() (wire.Secret, error)          { return wire.Secret{}, nil }
func (e external) Challenge([]byte) (wire.Secret, error) { return unasked(e) }

func unasked(m Mechanism) (wire.Secret, error) {
	return wire.Secret{}, fmt.Errorf("amqp: %s expects no challenge, the broker sent one", m.Name())
}
