package test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/test/rabbitmq"
)

// In EXTERNAL the broker takes the user from the client's certificate.
func external(t *testing.T, n node) {
	cert, key := n.(rabbit).ClientCert()
	u, err := url.Parse(n.TLSURL())
	if err != nil {
		t.Fatal(err)
	}
	u.User = nil
	external := with(u.String(), "auth_mechanism=external")
	certificate := "&certfile=" + url.QueryEscape(cert) + "&keyfile=" + url.QueryEscape(key)
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			var state *tls.ConnectionState
			conn := dialURL(t, external+certificate, blocking.WithParams(func(p *blocking.Params) {
				p.TLS.MinVersion, p.TLS.MaxVersion = version, version
				p.TLS.VerifyConnection = func(s tls.ConnectionState) error {
					state = &s
					return nil
				}
			}))
			ch := channel(t, conn)
			// The broker refuses a user-id that is not the connection's user.
			publish(t, ch, &blocking.Publishing{RoutingKey: queue(t, ch), Properties: &blocking.Properties{UserID: rabbitmq.User}})
			if state.Version != version {
				t.Errorf("version %x", state.Version)
			}
		})
	}
	t.Run("without a certificate", func(t *testing.T) {
		if err := fails(t, external); !errors.Is(err, blocking.AccessRefused) {
			t.Errorf("dial: %v", err)
		}
	})
}

func TestBrokerThatNobodyVouchesFor(t *testing.T) {
	u, err := url.Parse(secureURL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = ""
	failed := fails(t, u.String())
	want(t, failed, u.Host, "TLS handshake", "unknown authority")
	as[x509.UnknownAuthorityError](t, failed)
	if failed.Attempts[0].Phase != driver.PhaseTLS {
		t.Errorf("attempts are %v", failed.Attempts)
	}
}

func TestWrongPortsAreTold(t *testing.T) {
	want(t, fails(t, "amqps://guest:guest@"+plainBroker(t)), "use amqp://")
	want(t, fails(t, "amqp://guest:guest@"+host(t, secureURL(t))), "amqps")
}

func TestCutInTheTLSHandshakeNamesHostAndPhase(t *testing.T) {
	u, err := url.Parse(secureURL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Host = relay(t, u.Host, 100)
	failed := fails(t, u.String())
	want(t, failed, u.Host, "TLS handshake", "EOF")
	if failed.Attempts[0].Phase != driver.PhaseTLS {
		t.Errorf("attempts are %v", failed.Attempts)
	}
}
