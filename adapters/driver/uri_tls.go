package driver

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

// tlsArguments are the query arguments of an amqps URI, as RabbitMQ's URI query
// page names them. https://www.rabbitmq.com/docs/uri-query-parameters
type tlsArguments struct {
	ca, cert, key, serverName, verify string
}

// field is where the value of an argument belongs, nil for one that is none of
// these.
func (a *tlsArguments) field(name string) *string {
	switch name {
	case "cacertfile":
		return &a.ca
	case "certfile":
		return &a.cert
	case "keyfile":
		return &a.key
	case "server_name_indication":
		return &a.serverName
	case "verify":
		return &a.verify
	}
	return nil
}

// apply reads the files and sets Params.TLS, if there is anything to set.
func (a *tlsArguments) apply(p *Params) error {
	if *a == (tlsArguments{}) {
		return nil
	}
	cfg := &tls.Config{ServerName: a.serverName, MinVersion: tls.VersionTLS12}
	switch a.verify {
	case "", "verify_peer":
	case "verify_none":
		cfg.InsecureSkipVerify = true
	default:
		return &URIError{Part: "verify", Reason: "must be verify_peer or verify_none"}
	}
	if a.ca != "" {
		pool, err := readPool(a.ca)
		if err != nil {
			return &URIError{Part: "cacertfile", Reason: err.Error(), Err: err}
		}
		cfg.RootCAs = pool
	}
	if (a.cert == "") != (a.key == "") {
		return &URIError{Part: "certfile and keyfile", Reason: "must be given together"}
	}
	if a.cert != "" {
		pair, err := tls.LoadX509KeyPair(a.cert, a.key)
		if err != nil {
			return &URIError{Part: "certfile and keyfile", Reason: err.Error(), Err: err}
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	p.TLS = cfg
	return nil
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in " + file)
	}
	return pool, nil
}
