package main

import (
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"

	"github.com/haypile/haypile/broker"
)

// greet writes where the broker is and who may come.
func greet(w io.Writer, s broker.State, o *options) {
	network := false // whether other machines reach a listener
	for _, l := range s.Listeners {
		u := url.URL{Scheme: "amqp", Host: dialable(l.Address), Path: "/"}
		if l.TLS {
			u.Scheme = "amqps"
		}
		at, err := netip.ParseAddrPort(l.Address)
		far := err == nil && !at.Addr().IsLoopback()
		if !far || at.Addr().IsUnspecified() || !o.guestOnly() {
			u.User = o.visitor()
		}
		network = network || far
		fmt.Fprintln(w, u.String())
	}
	if network && o.guestOnly() {
		fmt.Fprintln(w, "guest is let in from this machine only, over loopback; name others by -user or -users")
	}
	fmt.Fprintf(w, "RabbitMQ %s in memory, on %s\n", s.Profile, o.adapter)
}

// dialable is the address, or where this machine reaches one of all interfaces.
func dialable(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err == nil && at.Addr().IsUnspecified() {
		return fmt.Sprintf("localhost:%d", at.Port())
	}
	return address
}

// visitor is who the broker is for, if that is one. A password that somebody chose
// is not shown.
func (o *options) visitor() *url.Userinfo {
	if o.guestOnly() {
		return url.UserPassword("guest", "guest")
	}
	if name, _, _ := strings.Cut(o.user, ":"); name != "" {
		return url.User(name)
	}
	return nil
}
