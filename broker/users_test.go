package broker

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
)

func mustUsers(t *testing.T, list ...User) *users {
	t.Helper()
	us, err := newUsers(list)
	if err != nil {
		t.Fatal(err)
	}
	return us
}

func TestOnlyTheRightPasswordLetsIn(t *testing.T) {
	us := mustUsers(t, Guest(), NewUser("app", "secret"), NewUser("nobody", ""), User{Name: "zero"})
	for _, c := range []struct {
		name, password string
		want           bool
	}{
		{"guest", "guest", true},
		{"app", "secret", true},
		{"app", "Secret", false},
		{"app", "secret ", false},
		{"app", "", false},
		{"App", "secret", false},
		{"nobody", "", false},
		{"zero", "", false},
		{"stranger", "secret", false},
		{"", "", false},
	} {
		u := us.authenticate(c.name, c.password)
		if (u != nil) != c.want || u != nil && u.Name != c.name {
			t.Errorf("%q with %q: %v", c.name, c.password, u)
		}
	}
}

func TestUnknownUserCostsTheSameWork(t *testing.T) {
	us := mustUsers(t, NewUser("app", "secret"), User{Name: "zero"})
	work := func(name, password string) float64 {
		return testing.AllocsPerRun(10, func() { us.authenticate(name, password) })
	}
	right := work("app", "secret")
	for _, name := range []string{"app", "zero", "stranger", ""} {
		if got := work(name, "wrong!"); got != right {
			t.Errorf("%q: %v allocations, with the right password %v", name, got, right)
		}
	}
}

func TestGuestIsAsRabbitMQs(t *testing.T) {
	us := mustUsers(t, Guest())
	u := us.authenticate("guest", "guest")
	if u == nil || !u.LoopbackOnly || !slices.Equal(u.Tags, []string{"administrator"}) || !u.may("/", mayConfigure, "q") || u.mayOpen("v") {
		t.Errorf("%+v", u)
	}
	if !us.hasGuest() || mustUsers(t, NewUser("guest", "other")).hasGuest() || mustUsers(t).hasGuest() {
		t.Error("guest with password guest was not told from others")
	}
	if !NewUser("guest", "x").LoopbackOnly || NewUser("app", "x").LoopbackOnly {
		t.Error("guest alone is for loopback only")
	}
}

func TestUserGivenToABrokerIsACopy(t *testing.T) {
	given := Guest()
	us := mustUsers(t, given)
	given.Tags[0] = "changed"
	given.Permissions["v"] = FullPermission()
	if u := us.authenticate("guest", "guest"); u.Tags[0] != "administrator" || u.mayOpen("v") || len(u.Permissions) != 1 {
		t.Errorf("%+v", u)
	}
}

func TestUsersThatCannotBeAreRefused(t *testing.T) {
	broken := NewUser("app", "x")
	broken.Permissions = map[string]Permission{"/": {Write: "("}}
	for _, c := range []struct {
		list []User
		want string
	}{
		{[]User{{}}, `amqp: user "": a user needs a name`},
		{[]User{Guest(), Guest()}, `amqp: user "guest": there are two of that name`},
		{[]User{broken}, "amqp: user \"app\", virtual host \"/\": permission: write: error parsing regexp: missing closing ): `(`"},
	} {
		_, err := newUsers(c.list)
		var want *UserError
		if !errors.As(err, &want) || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	_, err := newUsers([]User{broken})
	var cause *syntax.Error
	if !errors.As(err, &cause) {
		t.Errorf("the pattern's error is lost: %v", err)
	}
}

func TestPrintingAUserShowsNoHash(t *testing.T) {
	u := NewUser("app", "secret")
	for _, text := range []string{fmt.Sprint(u), fmt.Sprintf("%+v", u), fmt.Sprintf("%#v", u)} {
		if strings.Contains(text, fmt.Sprint(u.password.sum)) {
			t.Error(text)
		}
	}
}

func TestLoopbackIsToldFromTheNetwork(t *testing.T) {
	tcp := func(addr string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr)) }
	memory, peer := net.Pipe()
	defer memory.Close()
	defer peer.Close()
	for _, c := range []struct {
		peer net.Addr
		want bool
	}{
		{tcp("127.0.0.1:5672"), true},
		{tcp("127.8.9.10:5672"), true},
		{tcp("[::1]:5672"), true},
		{tcp("[::ffff:127.0.0.1]:5672"), true},
		{&net.UnixAddr{Name: "@broker", Net: "unix"}, true},
		{memory.RemoteAddr(), true},
		{tcp("192.0.2.1:5672"), false},
		{tcp("[fe80::1%eth0]:5672"), false},
		{tcp("[::ffff:192.0.2.1]:5672"), false},
		{tcp("0.0.0.0:0"), false},
	} {
		if got := isLoopback(c.peer); got != c.want {
			t.Errorf("%v: %v", c.peer, got)
		}
	}
}

func TestVirtualHostsOfUsersAreThoseOfTheirPermissions(t *testing.T) {
	app := NewUser("app", "x")
	app.Permissions = map[string]Permission{"shop": {}, "/": {}}
	if got := mustUsers(t, Guest(), app).virtualHosts(); !slices.Equal(got, []string{"/", "shop"}) {
		t.Error(got)
	}
}
