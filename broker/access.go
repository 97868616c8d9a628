package broker

import (
	"crypto/subtle"
	"net"
)

// User may log in.
type User struct {
	Name     string
	Password string
	Tags     []string
}

// Guest is RabbitMQ's default user.
func Guest() User { return User{Name: "guest", Password: "guest", Tags: []string{"administrator"}} }

type user struct{ User }

type users struct{ all map[string]*user }

func newUsers(all []User) (*users, error) {
	u := &users{all: map[string]*user{}}
	for _, x := range all {
		u.all[x.Name] = &user{x}
	}
	return u, nil
}

func (u *users) authenticate(name, password string) *user {
	x := u.all[name]
	if x == nil || subtle.ConstantTimeCompare([]byte(x.Password), []byte(password)) == 0 {
		return nil
	}
	return x
}

func (u *users) virtualHosts() []string { return nil }

func (u *users) hasGuest() bool { return u.all["guest"] != nil }

func (u *user) loopbackOnly() bool { return u.Name == "guest" }

func (u *user) mayOpen(string) bool { return true }

func (u *user) may(vhost string, p permission, name string) bool { return true }

type permission uint8

const (
	configure permission = iota
	write
	read
)

func (p permission) String() string { return [...]string{"configure", "write", "read"}[p] }

// isLoopback tells whether an address is this machine's own: by its IP, or because it
// has none.
func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return !ok || t.IP.IsLoopback()
}
