package demo

import (
	"errors"
	"strings"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
)

// Config is what a URI asks of a connection that an example makes without a driver:
// one host, which is Host, over TCP and without TLS.
func Config(uri string) (core.ClientConfig, error) {
	params, err := driver.ParseURI(uri)
	if err != nil {
		return core.ClientConfig{}, err
	}
	endpoint := params.Endpoints[0]
	if len(params.Endpoints) > 1 || endpoint.TLS || strings.HasPrefix(endpoint.Host, "/") {
		return core.ClientConfig{}, errors.New("this example connects to one host over TCP, without TLS: amqp://user:password@host:port/vhost")
	}
	params.Client.Host = endpoint.String()
	return params.Client, nil
}
