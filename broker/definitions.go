package broker

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Definitions are what the broker takes from a definitions file.
type Definitions struct {
	Users        []User
	VirtualHosts []string
}

// ReadDefinitions reads users, their permissions and the virtual hosts from JSON
// as RabbitMQ exports it (rabbitmqctl export_definitions, or the management page's
// overview):
//
//	{"users": [{"name": "app", "password": "secret", "tags": ["monitoring"]}],
//	 "vhosts": [{"name": "shop"}],
//	 "permissions": [{"user": "app", "vhost": "shop", "configure": "^app\\.", "write": ".*", "read": ".*"}]}
//
// In place of a password a user may have password_hash and hashing_algorithm, as
// exported ones do; rabbit_password_hashing_sha256, the default, and …_sha512 are
// known. Everything else in the file is passed over, topic permissions included. A
// user named guest is for loopback only.
//
// Errors: *UserError, and those of r and of encoding/json, wrapped.
func ReadDefinitions(r io.Reader) (*Definitions, error) {
	var file definitionsFile
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return nil, fmt.Errorf("amqp: reading definitions: %w", err)
	}
	var d Definitions
	place := make(map[string]int)
	for _, given := range file.Users {
		u, err := given.user()
		if err != nil {
			return nil, err
		}
		place[u.Name] = len(d.Users)
		d.Users = append(d.Users, u)
	}
	for _, p := range file.Permissions {
		i, ok := place[p.User]
		if !ok {
			return nil, &UserError{User: p.User, VirtualHost: p.VirtualHost, Reason: "there are permissions, but no such user"}
		}
		d.Users[i].Permissions[p.VirtualHost] = Permission{Configure: p.Configure, Write: p.Write, Read: p.Read}
	}
	for _, v := range file.VirtualHosts {
		d.VirtualHosts = append(d.VirtualHosts, v.Name)
	}
	if _, err := newUsers(d.Users); err != nil {
		return nil, err
	}
	return &d, nil
}

// definitionsFile is the shape of the file.
type definitionsFile struct {
	Users        []definedUser `json:"users"`
	VirtualHosts []struct {
		Name string `json:"name"`
	} `json:"vhosts"`
	Permissions []struct {
		User        string `json:"user"`
		VirtualHost string `json:"vhost"`
		Configure   string `json:"configure"`
		Write       string `json:"write"`
		Read        string `json:"read"`
	} `json:"permissions"`
}

type definedUser struct {
	Name      string   `json:"name"`
	Password  string   `json:"password"`
	Hash      string   `json:"password_hash"`
	Algorithm string   `json:"hashing_algorithm"`
	Tags      userTags `json:"tags"`
}

func (d *definedUser) user() (User, error) {
	u := NewUser(d.Name, d.Password)
	u.Tags = d.Tags
	u.Permissions = make(map[string]Permission)
	if d.Hash == "" {
		return u, nil
	}
	var err error
	u.password, err = parsePassword(d.Hash, d.Algorithm)
	if err != nil {
		return User{}, &UserError{User: d.Name, Reason: "password_hash", Err: err}
	}
	return u, nil
}

// hashSizes are the algorithms that RabbitMQ has and that are not long broken.
var hashSizes = map[string]int{
	"":                               sha256.Size,
	"rabbit_password_hashing_sha256": sha256.Size,
	"rabbit_password_hashing_sha512": sha512.Size,
}

// parsePassword takes salt and hash, as exported. Errors do not show them.
func parsePassword(encoded, algorithm string) (*password, error) {
	size, ok := hashSizes[algorithm]
	if !ok {
		return nil, fmt.Errorf("unknown hashing_algorithm %q", algorithm)
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != saltSize+size {
		return nil, fmt.Errorf("not the base64 form of %d bytes of salt and %d of hash", saltSize, size)
	}
	return &password{salt: [saltSize]byte(raw), sum: raw[saltSize:]}, nil
}

// userTags is a list or, in exports of old, one string with commas.
type userTags []string

// UnmarshalJSON takes either form.
func (t *userTags) UnmarshalJSON(p []byte) error {
	var joined string
	if json.Unmarshal(p, &joined) != nil {
		return json.Unmarshal(p, (*[]string)(t))
	}
	*t = nil
	for tag := range strings.SplitSeq(joined, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			*t = append(*t, tag)
		}
	}
	return nil
}
