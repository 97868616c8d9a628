package broker

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

// exported is what rabbitmqctl export_definitions of RabbitMQ 3.10 wrote, cut
// short. The user u has the password "secret".
const exported = `{"bindings":[],"exchanges":[{"arguments":{},"auto_delete":false,"durable":false,"name":"f","type":"fanout","vhost":"/"}],
"global_parameters":[],"parameters":[],
"permissions":[{"configure":".*","read":".*","user":"guest","vhost":"/","write":".*"},{"configure":"^c","read":"r$","user":"u","vhost":"/","write":""}],
"policies":[],"rabbit_version":"3.10.8","rabbitmq_version":"3.10.8","topic_permissions":[],
"users":[{"hashing_algorithm":"rabbit_password_hashing_sha256","limits":{},"name":"u","password_hash":"ssut1xdWZVU3VxgXdXnZR3SLm/deoFBRrAkRuJeP++xyqGun","tags":[]},
{"hashing_algorithm":"rabbit_password_hashing_sha256","limits":{},"name":"guest","password_hash":"kEPLIx5qyIVX4NDjCuYsPkzX+yePZ1UX4o1Ll35U3eqX17JA","tags":["administrator"]}],
"vhosts":[{"limits":[],"metadata":{"description":"Default virtual host","tags":[]},"name":"/"},{"limits":[],"metadata":{"description":"","tags":""},"name":"v"}]}`

func TestDefinitionsThatRabbitMQExportedLetItsUsersIn(t *testing.T) {
	d, err := ReadDefinitions(strings.NewReader(exported))
	if err != nil {
		t.Fatal(err)
	}
	us := mustUsers(t, d.Users...)
	guest, u := us.authenticate("guest", "guest"), us.authenticate("u", "secret")
	if guest == nil || u == nil || us.authenticate("u", "Secret") != nil {
		t.Fatal("guest:", guest, "u:", u)
	}
	if !guest.LoopbackOnly || !slices.Equal(guest.Tags, []string{"administrator"}) || !guest.may("/", mayWrite, "amq.default") {
		t.Errorf("%+v", guest)
	}
	if u.LoopbackOnly || !u.may("/", mayConfigure, "c1") || u.may("/", mayWrite, "c1") || u.mayOpen("v") {
		t.Errorf("%+v", u)
	}
	if !slices.Equal(d.VirtualHosts, []string{"/", "v"}) {
		t.Error(d.VirtualHosts)
	}
}

func TestDefinitionsInOtherForms(t *testing.T) {
	d, err := ReadDefinitions(strings.NewReader(`{"users": [
		{"name": "plain", "password": "secret", "tags": "monitoring, policymaker"},
		{"name": "long", "hashing_algorithm": "rabbit_password_hashing_sha512", "password_hash": "AQIDBPhTH2L5HGYB1LWOrn+YpvuQmVOXKGqgsuiJRIZTILRoEvblSJo/WAsym3IZTfuaIaK5KR2o5KwFfTv6KsxfMIE="},
		{"name": "none", "password_hash": ""}]}`))
	if err != nil {
		t.Fatal(err)
	}
	us := mustUsers(t, d.Users...)
	if u := us.authenticate("plain", "secret"); u == nil || !slices.Equal(u.Tags, []string{"monitoring", "policymaker"}) {
		t.Errorf("plain: %+v", u)
	}
	if us.authenticate("long", "secret") == nil {
		t.Error("SHA-512 was not understood")
	}
	if us.authenticate("none", "") != nil {
		t.Error("a user without password was let in")
	}
}

func TestDefinitionsThatAreWrongAreRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"users": [{"name": "u", "password_hash": "AAAA"}]}`, `amqp: user "u": password_hash: not the base64 form of 4 bytes of salt and 32 of hash`},
		{`{"users": [{"name": "u", "password_hash": "AAAA", "hashing_algorithm": "rabbit_password_hashing_md5"}]}`, `amqp: user "u": password_hash: unknown hashing_algorithm "rabbit_password_hashing_md5"`},
		{`{"users": [{"name": "u"}, {"name": "u"}]}`, `amqp: user "u": there are two of that name`},
		{`{"users": [{}]}`, `amqp: user "": a user needs a name`},
		{`{"permissions": [{"user": "u", "vhost": "/"}]}`, `amqp: user "u", virtual host "/": there are permissions, but no such user`},
		{`{"users": [{"name": "u"}], "permissions": [{"user": "u", "vhost": "v", "read": "^(?!a)"}]}`, "amqp: user \"u\", virtual host \"v\": permission: read: error parsing regexp: invalid or unsupported Perl syntax: `(?!`"},
	} {
		_, err := ReadDefinitions(strings.NewReader(c.text))
		var want *UserError
		if !errors.As(err, &want) || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	_, err := ReadDefinitions(strings.NewReader(`{"users": 5}`))
	var want *json.UnmarshalTypeError
	if !errors.As(err, &want) || !strings.HasPrefix(err.Error(), "amqp: reading definitions: ") {
		t.Errorf("%v", err)
	}
}
