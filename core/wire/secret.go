package wire

import (
	"fmt"
	"io"
)

// Secret holds a credential so that it does not get printed: every fmt verb,
// JSON, text marshalling and structured logging show "[redacted]", whether it
// is empty or not; inside an unexported field, where fmt calls no methods, it
// shows an address. Only Reveal and the wire have the value.
//
// The zero Secret is the empty one. Compare by Reveal, not by ==.
type Secret struct {
	value *string
}

const redacted = "[redacted]"

// NewSecret holds s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal is the value. Do not print it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero tells that the value is empty.
func (s Secret) IsZero() bool { return s.value == nil }

// String is "[redacted]".
func (Secret) String() string { return redacted }

// GoString is "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText is "[redacted]"; a Secret cannot be restored from it.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON is the JSON string "[redacted]".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
