package broker

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// User is one who may connect: made by NewUser or Guest, or read by
// ReadDefinitions. The password is kept as a salted hash only. Fields may be
// changed until the User is given to a broker.
type User struct {
	Name string
	// Tags are what RabbitMQ's management takes for rights, such as
	// "administrator". They mean nothing to AMQP.
	Tags []string
	// Permissions are by virtual host. In one that is not there the user can do
	// nothing, not even open it.
	Permissions map[string]Permission
	// LoopbackOnly refuses the user's connections that come over a network, as
	// RabbitMQ does with guest.
	LoopbackOnly bool

	password *password // a pointer, so that printing a User shows an address; nil: nobody's
}

// NewUser is a user with a password and no permissions. An empty password lets
// nobody in. A user named guest is for loopback only.
func NewUser(name, secret string) User {
	return User{Name: name, LoopbackOnly: name == guestName, password: newPassword(secret)}
}

// Guest is RabbitMQ's default user: guest with password guest, administrator, all
// permissions in the virtual host "/", for loopback only.
func Guest() User {
	u := NewUser(guestName, guestName)
	u.Tags = []string{"administrator"}
	u.Permissions = map[string]Permission{"/": FullPermission()}
	return u
}

const guestName = "guest"

// UserError is a User that a broker cannot have.
type UserError struct {
	User        string
	VirtualHost string // that it is about; empty for the user as such
	Reason      string // continues a sentence that starts with the user
	Err         error  // the finding behind it, such as the pattern's; may be nil
}

// Error names user, virtual host and reason.
func (e *UserError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "amqp: user %q", e.User)
	if e.VirtualHost != "" {
		fmt.Fprintf(&b, ", virtual host %q", e.VirtualHost)
	}
	b.WriteString(": " + e.Reason)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap is the finding behind it.
func (e *UserError) Unwrap() error { return e.Err }

// users are the users of a broker. They do not change, so any goroutine may ask.
type users struct {
	byName   map[string]*user
	stranger *user // whose password is compared for names that nobody has
}

// user is a User as the broker asks for it.
type user struct {
	User
	access map[string]access // by virtual host
}

// newUsers takes users over. The error is a *UserError.
func newUsers(list []User) (*users, error) {
	us := &users{byName: make(map[string]*user, len(list)), stranger: &user{User: User{password: unguessable()}}}
	for _, given := range list {
		if given.Name == "" {
			return nil, &UserError{Reason: "a user needs a name"}
		}
		if us.byName[given.Name] != nil {
			return nil, &UserError{User: given.Name, Reason: "there are two of that name"}
		}
		u := &user{User: given, access: make(map[string]access, len(given.Permissions))}
		if u.password == nil {
			u.password = unguessable()
		}
		u.Tags = slices.Clone(given.Tags)
		u.Permissions = maps.Clone(given.Permissions)
		for vhost, p := range u.Permissions {
			a, err := p.compile()
			if err != nil {
				return nil, &UserError{User: u.Name, VirtualHost: vhost, Reason: "permission", Err: err}
			}
			u.access[vhost] = a
		}
		us.byName[u.Name] = u
	}
	return us, nil
}

// authenticate returns the user if the password is right, else nil, after the same
// work in every case: what is refused tells nobody which users there are.
func (us *users) authenticate(name, secret string) *user {
	u := us.byName[name]
	known := u != nil
	if !known {
		u = us.stranger
	}
	if right := u.password.is(secret); right && known {
		return u
	}
	return nil
}

// hasGuest reports whether guest can connect with password guest.
func (us *users) hasGuest() bool { return us.authenticate(guestName, guestName) != nil }

// virtualHosts are those in the permissions of users, sorted.
func (us *users) virtualHosts() []string {
	all := make(map[string]bool)
	for _, u := range us.byName {
		for vhost := range u.access {
			all[vhost] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// isLoopback tells whether the peer is on this machine. What is no network, such
// as a connection in memory, is.
func isLoopback(peer net.Addr) bool {
	if !strings.HasPrefix(peer.Network(), "tcp") {
		return true
	}
	addr, err := netip.ParseAddrPort(peer.String())
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

// password is a salted hash as RabbitMQ keeps it.
type password struct {
	salt [saltSize]byte
	sum  []byte
}

const saltSize = 4

// newPassword is nil for the empty password, with which nobody may connect.
func newPassword(secret string) *password {
	if secret == "" {
		return nil
	}
	p := new(password)
	rand.Read(p.salt[:])
	p.sum = p.digest(sha256.New(), secret)
	return p
}

// unguessable is the hash of nothing that anybody knows.
func unguessable() *password { return &password{sum: make([]byte, sha256.Size)} }

// is compares with what a client has sent. Both kinds of hash are worked out,
// whichever the user has.
func (p *password) is(secret string) bool {
	short, long := p.digest(sha256.New(), secret), p.digest(sha512.New(), secret)
	same := subtle.ConstantTimeCompare(p.sum, short) | subtle.ConstantTimeCompare(p.sum, long)
	return same == 1 && secret != ""
}

func (p *password) digest(h hash.Hash, secret string) []byte {
	h.Write(p.salt[:])
	io.WriteString(h, secret)
	return h.Sum(nil)
}
