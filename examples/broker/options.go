package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/haypile/haypile/broker"
)

// options are the command line's.
type options struct {
	listen, adapter            string
	tlsListen, tlsCert, tlsKey string
	users, user, management    string
	profile                    int
	state                      bool
}

func parse() *options {
	o := &options{}
	flag.StringVar(&o.listen, "listen", "127.0.0.1:5672", "where to listen, host:port; empty for TLS only")
	flag.StringVar(&o.adapter, "adapter", "stdnet", "what connections run on: stdnet, ioloop, gnet or evio")
	flag.StringVar(&o.tlsListen, "tls-listen", "", "where to listen for TLS, if there is a certificate; by default the host of -listen and port 5671, or a free one if -listen has port 0")
	flag.StringVar(&o.tlsCert, "tls-cert", "", "file of the certificate, PEM")
	flag.StringVar(&o.tlsKey, "tls-key", "", "file of its key, PEM")
	flag.StringVar(&o.users, "users", "", "file of users, permissions and virtual hosts, as RabbitMQ exports its definitions")
	flag.StringVar(&o.user, "user", "", "name:password of the only user, who may do everything; without -user and -users it is guest:guest, over loopback")
	flag.StringVar(&o.management, "management", "", "where to serve the broker's page and RabbitMQ's management API, host:port; by default nowhere")
	flag.IntVar(&o.profile, "profile", 4, "which RabbitMQ to behave as: 3 or 4")
	flag.BoolVar(&o.state, "state", false, "print what the broker holds at the end; on SIGUSR1, where there is such a signal, it does so at any time")
	flag.Parse()
	return o
}

// guestOnly tells whether there is no user but the default one.
func (o *options) guestOnly() bool { return o.users == "" && o.user == "" }

// settings are the broker's.
func (o *options) settings() ([]broker.Option, error) {
	if flag.NArg() > 0 {
		return nil, fmt.Errorf("%q is no flag; see -help", flag.Arg(0))
	}
	profile, ok := map[int]broker.Profile{3: broker.RabbitMQ3, 4: broker.RabbitMQ4}[o.profile]
	if !ok {
		return nil, fmt.Errorf("no profile %d: 3 or 4", o.profile)
	}
	all := []broker.Option{broker.WithAddress(o.listen), broker.WithProfile(profile)}
	for _, add := range []func() ([]broker.Option, error){o.authentication, o.encryption} {
		more, err := add()
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

func (o *options) authentication() ([]broker.Option, error) {
	switch {
	case o.guestOnly():
		return nil, nil
	case o.users != "" && o.user != "":
		return nil, errors.New("-users and -user exclude each other")
	case o.user != "":
		name, password, ok := strings.Cut(o.user, ":")
		if !ok || name == "" || password == "" {
			return nil, errors.New("-user is name:password")
		}
		u := broker.NewUser(name, password)
		u.Tags = []string{"administrator"}
		u.Permissions = map[string]broker.Permission{"/": broker.FullPermission()}
		return []broker.Option{broker.WithUsers(u)}, nil
	}
	file, err := os.Open(o.users)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	d, err := broker.ReadDefinitions(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.users, err)
	}
	if len(d.Users) == 0 {
		return nil, fmt.Errorf("%s has no users: nobody could enter", o.users)
	}
	return []broker.Option{broker.WithUsers(d.Users...), broker.WithVirtualHosts(d.VirtualHosts...)}, nil
}

func (o *options) encryption() ([]broker.Option, error) {
	switch {
	case o.tlsCert != "" && o.tlsKey != "":
	case o.tlsCert != "":
		return nil, errors.New("-tls-cert needs -tls-key")
	case o.tlsKey != "":
		return nil, errors.New("-tls-key needs -tls-cert")
	case o.tlsListen != "":
		return nil, errors.New("-tls-listen needs -tls-cert and -tls-key")
	case o.listen == "":
		return nil, errors.New("nowhere to listen: neither -listen nor -tls-cert and -tls-key")
	default:
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, fmt.Errorf("-tls-cert and -tls-key: %w", err)
	}
	address, err := o.tlsAddress()
	if err != nil {
		return nil, err
	}
	return []broker.Option{broker.WithTLS(address, &tls.Config{Certificates: []tls.Certificate{certificate}})}, nil
}

func (o *options) tlsAddress() (string, error) {
	switch {
	case o.tlsListen != "":
		return o.tlsListen, nil
	case o.listen == "":
		return "127.0.0.1:5671", nil
	}
	host, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return "", fmt.Errorf("-listen: %w", err)
	}
	if port != "0" {
		port = "5671"
	}
	return net.JoinHostPort(host, port), nil
}
