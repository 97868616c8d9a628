package core

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/haypile/haypile/core/wire"
)

// Sentinels, compared with errors.Is.
var (
	// ErrClosed: the connection or channel has ended, or is being closed, so
	// the call did nothing. What ended it, if not we, is wrapped as well.
	ErrClosed = errors.New("amqp: closed")
	// ErrStarted: Start was called before.
	ErrStarted = errors.New("amqp: already started")
	// ErrNotSent: a request was held back by ClientConfig.Serial when its channel
	// ended. What ended it is wrapped as well.
	ErrNotSent = errors.New("amqp: not sent")
	// ErrNotAsked: Accept, Refuse or Challenge was called when there was nothing
	// to decide.
	ErrNotAsked = errors.New("amqp: nothing to decide; Accept, Refuse and Challenge answer OnAuth, OnOpen and OnUpdateSecret")
	// ErrRole: the call is for the other side of a connection, such as Publish on
	// a channel of a server.
	ErrRole = errors.New("amqp: not for this side of the connection")
	// ErrNotOpen: the handshake is not done yet.
	ErrNotOpen = errors.New("amqp: connection is not open yet")
	// ErrBackpressure: the message was not taken, because MaxBuffered is reached,
	// the connection is blocked or the channel's flow is off. OnWritable, or
	// OnFlow, tells when to go on.
	ErrBackpressure = errors.New("amqp: output is full or stopped by the broker")
	// ErrHeartbeat: the peer was silent for longer than heartbeats allow.
	ErrHeartbeat = errors.New("amqp: no sign of life from the peer")
	// ErrHandshakeTimeout: the peer did not complete the handshake in time.
	ErrHandshakeTimeout = errors.New("amqp: handshake timed out")
	// ErrCloseTimeout: the peer did not answer our close in time.
	ErrCloseTimeout = errors.New("amqp: close timed out")
	// ErrBlockedTimeout: the broker kept the connection blocked for too long.
	ErrBlockedTimeout = errors.New("amqp: blocked for too long")
	// ErrNoChannel: every channel number is taken, or the number asked for is.
	ErrNoChannel = errors.New("amqp: no free channel number")
	// ErrFrameTooLarge: what was to be sent does not fit a frame; frame-max
	// bounds every method and content header.
	ErrFrameTooLarge = errors.New("amqp: larger than frame-max")
	// ErrMessageTooLarge: an inbound body is larger than MaxMessage, or than what
	// unfinished messages on other channels leave of it.
	ErrMessageTooLarge = errors.New("amqp: message larger than MaxMessage")
)

// Error is an exception in the sense of the AMQP specification (section 1.2):
// somebody closed a channel or the connection with a reply code. It matches its
// code through errors.Is(err, wire.NotFound).
type Error struct {
	Code    wire.Code     // why, as the specification numbers it
	Text    string        // as the closing side put it
	Method  wire.MethodID // what it was about; 0 when that is not known
	Channel uint16        // 0: the whole connection
	Remote  bool          // the peer closed; false: we did, because the peer broke the protocol
	Host    string        // the peer's label, from the config
	Phase   string        // what the handshake was waiting for, empty when it was done
	client  bool          // the peer is a client
	err     error
}

// Error names host, scope, code, text and method.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("amqp: ")
	if e.Host != "" {
		b.WriteString(e.Host + ": ")
	}
	scope := "connection"
	if e.Channel != 0 {
		scope = fmt.Sprintf("channel %d", e.Channel)
	}
	by := "closed by us"
	switch {
	case e.Remote && e.client:
		by = "closed by the client"
	case e.Remote:
		by = "closed by the broker"
	}
	fmt.Fprintf(&b, "%s %s", scope, by)
	if e.Phase != "" {
		b.WriteString(" while waiting for " + e.Phase)
	}
	fmt.Fprintf(&b, ": %d ", uint16(e.Code))
	if name := e.Code.String(); !strings.HasPrefix(e.Text, name) {
		b.WriteString(name)
		if e.Text != "" {
			b.WriteString(" - ")
		}
	}
	b.WriteString(e.Text)
	if e.Method != 0 {
		fmt.Fprintf(&b, " (%s)", e.Method)
	}
	return b.String()
}

// Is matches a target that is the error's reply code.
func (e *Error) Is(target error) bool {
	code, ok := target.(wire.Code)
	return ok && code == e.Code
}

// Unwrap is the finding behind an exception that we raised, such as a
// *wire.DecodeError or ErrMessageTooLarge; nil for the peer's.
func (e *Error) Unwrap() error { return e.err }

// TransportError is the end of a connection without a word of AMQP: the
// transport was lost, or we dropped it because a deadline passed.
type TransportError struct {
	Err   error  // the transport's error, io.EOF for a clean end, or one of the sentinels
	Host  string // the peer's label, from the config
	Phase string // what the handshake was waiting for, empty when it was done
}

// Error names host, phase and cause.
func (e *TransportError) Error() string {
	var b strings.Builder
	b.WriteString("amqp: ")
	if e.Host != "" {
		b.WriteString(e.Host + ": ")
	}
	if e.Phase != "" {
		b.WriteString("waiting for " + e.Phase + ": ")
	}
	if e.Err == io.EOF {
		b.WriteString("the peer closed the transport")
	} else {
		b.WriteString(untitled(e.Err))
	}
	return b.String()
}

// untitled is an error's text without the prefix of our texts, for use inside
// another.
func untitled(err error) string { return strings.TrimPrefix(err.Error(), "amqp: ") }

// Unwrap is the transport's error.
func (e *TransportError) Unwrap() error { return e.Err }

// NotAMQPError: what answered is not an AMQP 0-9-1 server, or what connected is
// not an AMQP 0-9-1 client.
type NotAMQPError struct {
	Host   string // the peer's label, from the config
	Answer []byte // what came first, at most 64 bytes
	client bool   // it should have been a client
}

// Error says what seems to have answered.
func (e *NotAMQPError) Error() string {
	host := e.Host
	if host == "" {
		host = "peer"
	}
	if e.client {
		return fmt.Sprintf("amqp: %s: is not an AMQP 0-9-1 client, it began with %q", host, e.Answer)
	}
	switch a := e.Answer; {
	case len(a) >= 8 && string(a[:4]) == "AMQP":
		return fmt.Sprintf("amqp: %s: does not speak AMQP 0-9-1 but asks for %d-%d-%d (protocol id %d)", host, a[5], a[6], a[7], a[4])
	case len(a) >= 2 && (a[0] == 0x15 || a[0] == 0x16) && a[1] == 0x03:
		return fmt.Sprintf("amqp: %s: answered with TLS; use amqps for this port", host)
	default:
		return fmt.Sprintf("amqp: %s: is not an AMQP server, it answered %q", host, a)
	}
}

// ConfigError: a field of a config or of a request is out of its range.
// Nothing was sent.
type ConfigError struct {
	Field string // its name in the config or request
	Value any    // what it was; never a secret
	Want  string // the range
}

// Error names field, value and range.
func (e *ConfigError) Error() string {
	return fmt.Sprintf("amqp: %s is %v: must be %s", e.Field, e.Value, e.Want)
}

// closedError is what calls on something ended return: ErrClosed and, where
// there is one, the reason.
type closedError struct {
	what   string
	reason error
}

func (e *closedError) Error() string {
	s := "amqp: " + e.what + " is closed"
	if e.reason != nil {
		s += ": " + untitled(e.reason)
	}
	return s
}

func (e *closedError) Is(target error) bool { return target == ErrClosed }

func (e *closedError) Unwrap() error { return e.reason }
