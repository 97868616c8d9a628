package driver_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestURIsAreRead(t *testing.T) {
	host := func(h string, port uint16) driver.Endpoint { return driver.Endpoint{Host: h, Port: port} }
	for uri, want := range map[string]struct {
		vhost string
		auth  string // mechanism and response
		ends  []driver.Endpoint
	}{
		"amqp://":                          {"/", "PLAIN \x00guest\x00guest", []driver.Endpoint{host("localhost", 5672)}},
		"amqp://h":                         {"/", "PLAIN \x00guest\x00guest", []driver.Endpoint{host("h", 5672)}},
		"amqp://h/":                        {"/", "PLAIN \x00guest\x00guest", []driver.Endpoint{host("h", 5672)}},
		"amqp://h/%2f":                     {"/", "PLAIN \x00guest\x00guest", []driver.Endpoint{host("h", 5672)}},
		"amqp://h/a%2fb":                   {"a/b", "PLAIN \x00guest\x00guest", []driver.Endpoint{host("h", 5672)}},
		"amqp://u%40x:p%3a%2f%3F@h:1/v%25": {"v%", "PLAIN \x00u@x\x00p:/?", []driver.Endpoint{host("h", 1)}},
		"amqp://u@h":                       {"/", "PLAIN \x00u\x00", []driver.Endpoint{host("h", 5672)}},
		"amqp://a:1,b,[::1]:2,[fe80::1]/v": {"v", "PLAIN \x00guest\x00guest", []driver.Endpoint{host("a", 1), host("b", 5672), host("::1", 2), host("fe80::1", 5672)}},
		"amqp://%2Frun%2Famqp.sock":        {"/", "PLAIN \x00guest\x00guest", []driver.Endpoint{host("/run/amqp.sock", 5672)}},
		"amqp://h?auth_mechanism=external": {"/", "EXTERNAL ", []driver.Endpoint{host("h", 5672)}},
	} {
		p, err := driver.ParseURI(uri)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		r, err := p.Client.Mechanisms[0].Response()
		auth := p.Client.Mechanisms[0].Name() + " " + r.Reveal()
		if err != nil || p.Client.VirtualHost != want.vhost || auth != want.auth || !reflect.DeepEqual(p.Endpoints, want.ends) {
			t.Errorf("%s: vhost %q, auth %q, endpoints %v", uri, p.Client.VirtualHost, auth, p.Endpoints)
		}
	}
}

func TestURIArgumentsAreRead(t *testing.T) {
	p, err := driver.ParseURI("amqp://h/?heartbeat=7&channel_max=8&frame_max=9000&connection_timeout=10&stack_timeout=11&blocked_timeout=12&retry_delay=13&latency_budget=3&attempts=14&connection_name=me%20too&auth_mechanism=amqplain&auth_mechanism=plain")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Client
	if c.Heartbeat != 7*time.Second || c.ChannelMax != 8 || c.FrameMax != 9000 || p.DialTimeout != 10*time.Millisecond ||
		p.StackTimeout != 11*time.Millisecond || c.BlockedTimeout != 12*time.Millisecond || p.LatencyBudget != 3*time.Millisecond || p.RetryDelay != 13*time.Millisecond ||
		p.Attempts != 14 || c.Properties["connection_name"] != "me too" || len(c.Mechanisms) != 2 || c.Mechanisms[0].Name() != "AMQPLAIN" {
		t.Errorf("%+v", p)
	}
	if p, err := driver.ParseURI("amqp://h?heartbeat=0"); err != nil || p.Client.Heartbeat != core.Off {
		t.Errorf("heartbeat=0 is %v, %v", p.Client.Heartbeat, err)
	}
}

func TestWrongURIsAreRefusedWithoutTheirSecrets(t *testing.T) {
	for uri, part := range map[string]string{
		"http://h":                          "scheme",
		"h:5672":                            "scheme",
		"amqp://u:hunter2@h/a/b":            "%2F",
		"amqp://u:hunter2@h:0/":             "port",
		"amqp://u:hunter2@h:65536/":         "port",
		"amqp://u:hunter2@h:x/":             "port",
		"amqp://u:hunter2@x@h/":             "%40",
		"amqp://u:hunter2?x@h/":             "%3F",
		"amqp://u:hunter2#x@h/":             "%23",
		"amqp://u:hunter2/x@h/":             "%2F",
		"amqp://u:hunter2%zz@h/":            "password",
		"amqp://%zz:hunter2@h/":             "user",
		"amqp://u:hunter2@%zz/":             "host",
		"amqp://u:hunter2@[::1/":            "IPv6",
		"amqp://u:hunter2@h/%zz":            "virtual host",
		"amqp://h?heartbeat":                "no value",
		"amqp://h?heartbeat=":               "no value",
		"amqp://h?heartbeat=x":              "heartbeat",
		"amqp://h?heartbeat=65536":          "65535",
		"amqp://h?heartbeat=1&heartbeat=2":  "twice",
		"amqp://h?heartbeet=1":              "heartbeet",
		"amqp://h?connection_timeout=0":     "connection_timeout",
		"amqp://h?auth_mechanism=kerberos":  "auth_mechanism",
		"amqp://h?connection_name=%zz":      "connection_name",
		"amqp://h?frame_max=99999999999999": "frame_max",
	} {
		_, err := driver.ParseURI(uri)
		var e *driver.URIError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestWrongParamsAreRefusedBeforeAnythingIsDialled(t *testing.T) {
	for field, p := range map[string]driver.Params{
		"DialTimeout":   {DialTimeout: -1},
		"StackTimeout":  {StackTimeout: -1},
		"RetryDelay":    {RetryDelay: -1},
		"MaxRetryDelay": {MaxRetryDelay: -1},
		"Attempts":      {Attempts: -2},
		"LatencyBudget": {LatencyBudget: time.Minute},
		"FrameMax":      {Client: core.ClientConfig{FrameMax: 1}},
	} {
		_, err := driver.Dial(context.Background(), stdnet.New(), p, nil)
		var e *core.ConfigError
		if !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
		d := driver.Open(context.Background(), stdnet.New(), p, nil)
		<-d.Done()
		if !errors.As(d.Err(), &e) {
			t.Errorf("%s: Open ended with %v", field, d.Err())
		}
	}
}

func TestPrintedParamsShowNoSecret(t *testing.T) {
	p, err := driver.ParseURI("amqp://anna:hunter2@h/")
	if err != nil {
		t.Fatal(err)
	}
	p.Client.Mechanisms = append(p.Client.Mechanisms, core.Plain("anna", wire.NewSecret("hunter2")))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, p); strings.Contains(s, "hunter2") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}
