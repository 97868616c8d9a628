package driver

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// URIError tells what is wrong with an AMQP URI, without quoting the URI, which
// may hold a password.
type URIError struct {
	Part   string // such as "scheme", "port", "heartbeat"
	Reason string // what is wrong, and how to write it
	Err    error  // the finding behind it, if it has a type of its own
}

// Error names the part and never quotes a user, password or host.
func (e *URIError) Error() string { return "amqp: URI: " + e.Part + ": " + e.Reason }

// Unwrap is the finding behind the error, nil if there is none.
func (e *URIError) Unwrap() error { return e.Err }

// ParseURI makes Params of
//
//	amqp://user:password@host:port,host2:port/vhost?query
//
// as described in https://www.rabbitmq.com/docs/uri-spec, with several hosts
// allowed. Every part may be left out. User, password, hosts and vhost are
// percent-decoded once; IPv6 addresses stand in brackets; a UNIX socket is a
// percent-encoded path as the host. No path and "/" alone are the virtual host
// "/". The scheme amqps is AMQP in TLS.
//
// Query arguments: heartbeat (seconds, 0 for none), connection_timeout
// (milliseconds, for dialling), channel_max, frame_max, auth_mechanism (plain,
// amqplain or external; may be repeated, in order of preference), and
// connection_name, stack_timeout, blocked_timeout (milliseconds), attempts (as
// Params.Attempts, but for Unlimited), retry_delay, latency_budget (milliseconds).
// With amqps also cacertfile, certfile and keyfile (PEM files, read now),
// server_name_indication, and verify (verify_peer, the default, or verify_none,
// which accepts any certificate from anybody). Unknown, repeated or malformed ones
// are errors.
//
// The error is a *URIError; for a file that cannot be used, what package os,
// crypto/tls or crypto/x509 says is wrapped.
func ParseURI(uri string) (Params, error) {
	scheme, rest, _ := strings.Cut(uri, "://")
	if scheme != "amqp" && scheme != "amqps" {
		return Params{}, &URIError{Part: "scheme", Reason: "must be amqp or amqps"}
	}
	secure := scheme == "amqps"
	if strings.Contains(rest, "#") {
		return Params{}, &URIError{Part: "fragment", Reason: "not allowed; write a # in a password as %23"}
	}
	rest, query, _ := strings.Cut(rest, "?")
	if strings.Contains(query, "@") {
		return Params{}, &URIError{Part: "user and password", Reason: "a ? in them must be written as %3F, and a @ in the query as %40"}
	}
	authority, path, _ := strings.Cut(rest, "/")
	var p Params
	user, password, err := p.parseAuthority(authority, secure)
	if err != nil {
		return Params{}, err
	}
	if err := p.parsePath(path); err != nil {
		return Params{}, err
	}
	if err := p.parseQuery(query, user, password, secure); err != nil {
		return Params{}, err
	}
	return p, nil
}

// parseAuthority reads user, password and hosts.
func (p *Params) parseAuthority(s string, secure bool) (user string, password wire.Secret, err error) {
	user, password = "guest", wire.NewSecret("guest")
	hosts := s
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		if strings.Count(s, "@") > 1 {
			return "", password, &URIError{Part: "user and password", Reason: "a @ in them must be written as %40, a ? as %3F, a / as %2F"}
		}
		u, pw, _ := strings.Cut(s[:i], ":")
		hosts = s[i+1:]
		if user, err = unescape("user", u); err != nil {
			return "", password, err
		}
		pw, err = unescape("password", pw)
		if err != nil {
			return "", password, err
		}
		password = wire.NewSecret(pw)
	}
	for host := range strings.SplitSeq(hosts, ",") {
		e, err := parseEndpoint(host, secure)
		if err != nil {
			return "", password, err
		}
		p.Endpoints = append(p.Endpoints, e)
	}
	return user, password, nil
}

func parseEndpoint(s string, secure bool) (Endpoint, error) {
	host, port := s, ""
	if inner, ok := strings.CutPrefix(s, "["); ok {
		var after string
		host, after, ok = strings.Cut(inner, "]")
		if !ok || after != "" && after[0] != ':' {
			return Endpoint{}, &URIError{Part: "host", Reason: "an IPv6 address must be [address] or [address]:port"}
		}
		port = strings.TrimPrefix(after, ":")
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i+1:]
	}
	host, err := unescape("host", host)
	if err != nil {
		return Endpoint{}, err
	}
	e := Endpoint{Host: host, TLS: secure}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return Endpoint{}, &URIError{Part: "port", Reason: "must be a number from 1 to 65535; a :, / or ? in a password is written as %3A, %2F or %3F"}
		}
		e.Port = uint16(n)
	}
	return e.withDefaults(), nil
}

func unescape(part, s string) (string, error) {
	u, err := url.PathUnescape(s)
	if err != nil {
		return "", &URIError{Part: part, Reason: "has a % that two hexadecimal digits do not follow"}
	}
	return u, nil
}

func (p *Params) parsePath(path string) error {
	if path == "" {
		p.Client.VirtualHost = "/"
		return nil
	}
	if strings.Contains(path, "/") {
		return &URIError{Part: "virtual host", Reason: "a / in it must be written as %2F"}
	}
	vhost, err := unescape("virtual host", path)
	p.Client.VirtualHost = vhost
	return err
}

// queryArguments say how each sets the Params.
var queryArguments = map[string]func(p *Params, value string) error{
	"heartbeat": func(p *Params, v string) error {
		n, err := number(v, 65535)
		p.Client.Heartbeat = time.Duration(n) * time.Second
		if n == 0 {
			p.Client.Heartbeat = core.Off
		}
		return err
	},
	"channel_max": func(p *Params, v string) error {
		n, err := number(v, 65535)
		p.Client.ChannelMax = uint16(n)
		return err
	},
	"frame_max": func(p *Params, v string) error {
		n, err := number(v, 1<<31-1)
		p.Client.FrameMax = uint32(n)
		return err
	},
	"connection_name": func(p *Params, v string) error {
		p.Client.Properties = wire.Table{"connection_name": v}
		return nil
	},
	"connection_timeout": func(p *Params, v string) error { return milliseconds(&p.DialTimeout, v) },
	"stack_timeout":      func(p *Params, v string) error { return milliseconds(&p.StackTimeout, v) },
	"blocked_timeout":    func(p *Params, v string) error { return milliseconds(&p.Client.BlockedTimeout, v) },
	"latency_budget":     func(p *Params, v string) error { return milliseconds(&p.LatencyBudget, v) },
	"retry_delay":        func(p *Params, v string) error { return milliseconds(&p.RetryDelay, v) },
	"attempts": func(p *Params, v string) error {
		n, err := number(v, 1<<31-1)
		p.Attempts = int(n)
		return err
	},
}

func number(s string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("must be a number from 0 to %d", most)
	}
	return n, nil
}

func milliseconds(d *time.Duration, s string) error {
	n, err := number(s, 1<<31-1)
	if err == nil && n == 0 {
		err = fmt.Errorf("must be at least 1 millisecond")
	}
	*d = time.Duration(n) * time.Millisecond
	return err
}

func (p *Params) parseQuery(query, user string, password wire.Secret, secure bool) error {
	var files tlsArguments
	p.Client.Mechanisms = nil
	seen := make(map[string]bool)
	for arg := range strings.SplitSeq(query, "&") {
		if query == "" {
			break
		}
		name, value, ok := strings.Cut(arg, "=")
		if !ok || value == "" {
			return &URIError{Part: "query", Reason: fmt.Sprintf("argument %q has no value", name)}
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			return &URIError{Part: name, Reason: "has a % that two hexadecimal digits do not follow"}
		}
		if name == "auth_mechanism" {
			if err := p.addMechanism(value, user, password); err != nil {
				return err
			}
			continue
		}
		set, ok := queryArguments[name]
		file := files.field(name)
		switch {
		case !ok && file == nil:
			return &URIError{Part: "query", Reason: fmt.Sprintf("unknown argument %q", name)}
		case seen[name]:
			return &URIError{Part: name, Reason: "given twice"}
		case file != nil && !secure:
			return &URIError{Part: name, Reason: "is for amqps"}
		}
		seen[name] = true
		if file != nil {
			*file = value
			continue
		}
		if err := set(p, value); err != nil {
			return &URIError{Part: name, Reason: err.Error()}
		}
	}
	if err := files.apply(p); err != nil {
		return err
	}
	if p.Client.Mechanisms == nil {
		return p.addMechanism("plain", user, password)
	}
	return nil
}

func (p *Params) addMechanism(name, user string, password wire.Secret) error {
	var m core.Mechanism
	switch strings.ToLower(name) {
	case "plain":
		m = core.Plain(user, password)
	case "amqplain":
		m = core.AMQPlain(user, password)
	case "external":
		m = core.External()
	default:
		return &URIError{Part: "auth_mechanism", Reason: "must be plain, amqplain or external"}
	}
	p.Client.Mechanisms = append(p.Client.Mechanisms, m)
	return nil
}
