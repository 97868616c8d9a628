package core_test

import (
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// askTwice is a mechanism with a round of challenge and response.
type askTwice struct{ fail error }

func (askTwice) Name() string                   { return "PLAIN" }
func (askTwice) Response() (wire.Secret, error) { return wire.NewSecret("first"), nil }
func (m askTwice) Challenge(c []byte) (wire.Secret, error) {
	return wire.NewSecret(string(c) + "!"), m.fail
}

func TestSecureRoundsAreAnswered(t *testing.T) {
	b := newBench(t, core.ClientConfig{Mechanisms: []core.Mechanism{askTwice{}}})
	ok(t, b.c.Start(b.now))
	b.flush()
	b.in = b.in[8:]
	b.method(0, start())
	b.sent("0 connection.start-ok")
	for range 3 {
		b.method(0, &wire.ConnectionSecure{Challenge: []byte("again")})
		b.sent("0 connection.secure-ok")
	}
	b.method(0, &wire.ConnectionTune{})
	b.sent("0 connection.tune-ok", "0 connection.open")
}

func TestMechanismsEncodeTheirResponses(t *testing.T) {
	for _, test := range []struct {
		m    core.Mechanism
		name string
		want string
	}{
		{core.Plain("u", wire.NewSecret("p")), "PLAIN", "\x00u\x00p"},
		{core.AMQPlain("u", wire.NewSecret("p")), "AMQPLAIN", "\x05LOGINS\x00\x00\x00\x01u\x08PASSWORDS\x00\x00\x00\x01p"},
		{core.External(), "EXTERNAL", ""},
	} {
		r, err := test.m.Response()
		if test.m.Name() != test.name || r.Reveal() != test.want || err != nil {
			t.Errorf("%s answers %q, %v", test.m.Name(), r.Reveal(), err)
		}
		if _, err := test.m.Challenge(nil); err == nil {
			t.Errorf("%s answers a challenge", test.name)
		}
	}
}
