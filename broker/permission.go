package broker

import (
	"fmt"
	"regexp"
)

// Permission is what a user may do in one virtual host: three regular expressions,
// for the names of queues and exchanges. As RabbitMQ's, they match a part of the
// name unless ^ and $ say otherwise, and an empty one matches the empty name only.
// The default exchange is named "amq.default" for this. The syntax is that of
// package regexp, which has no lookaround and no possessive repetition.
//
// What needs which is as with RabbitMQ
// (https://www.rabbitmq.com/docs/access-control#authorisation): declaring and
// deleting is to configure, publishing and being bound to is to write, consuming,
// getting, purging and being bound from is to read.
type Permission struct {
	Configure, Write, Read string
}

// FullPermission allows everything.
func FullPermission() Permission {
	return Permission{Configure: everything, Write: everything, Read: everything}
}

// everything is what most users have, and need not be run for each message.
const everything = ".*"

// permission is one of the three kinds.
type permission uint8

const (
	mayConfigure permission = iota
	mayWrite
	mayRead
	permissions
)

// String is the kind as RabbitMQ's reply texts name it.
func (p permission) String() string { return [...]string{"configure", "write", "read"}[p] }

// access is a Permission to be asked. nil stands for an empty expression.
type access [permissions]*regexp.Regexp

func (p Permission) compile() (access, error) {
	var a access
	for kind, pattern := range [...]string{p.Configure, p.Write, p.Read} {
		if pattern == "" {
			continue
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return access{}, fmt.Errorf("%s: %w", permission(kind), err)
		}
		a[kind] = re
	}
	return a, nil
}

// allows tells whether a name matches. The default exchange must have been given
// its name.
func (a *access) allows(p permission, name string) bool {
	re := a[p]
	if re == nil {
		return name == ""
	}
	return re.String() == everything || re.MatchString(name)
}

// mayOpen tells whether the user has any business in a virtual host.
func (u *user) mayOpen(vhost string) bool {
	_, ok := u.access[vhost]
	return ok
}

// may tells whether the user has a permission on the queue or exchange of that
// name, for the default exchange "amq.default".
func (u *user) may(vhost string, p permission, name string) bool {
	a, ok := u.access[vhost]
	return ok && a.allows(p, name)
}
