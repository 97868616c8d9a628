package driver

import (
	"fmt"
	"net"
	"strings"

	"github.com/haypile/haypile/core"
)

// ErrClosed is returned for what comes after the end of a connection. It
// matches core.ErrClosed and net.ErrClosed, too.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string { return "amqp: closed" }

func (closedError) Is(target error) bool {
	return target == core.ErrClosed || target == net.ErrClosed
}

// Attempt is one try to connect that failed.
type Attempt struct {
	Endpoint Endpoint // as the parameters have it
	Address  string   // what was dialled, empty when the name could not be looked up
	Phase    Phase    // what it was at
	Err      error    // *net.DNSError, *net.OpError, *TLSError, *core.Error, *core.TransportError, *core.NotAMQPError, …
}

// Phase is how far an attempt came.
type Phase string

// The phases of an attempt, in their order.
const (
	PhaseResolve     Phase = "looking up the name"
	PhaseCredentials Phase = "asking for credentials"
	PhaseDial        Phase = "dialling"
	PhaseTLS         Phase = "TLS handshake"
	PhaseHandshake   Phase = "AMQP handshake"
)

// String is such as "rabbit1:5672 (10.0.0.1:5672): dialling: connection refused".
func (a Attempt) String() string {
	where := a.Endpoint.String()
	if a.Address != "" && a.Address != where {
		where += " (" + a.Address + ")"
	}
	// Errors of the handshake begin with the host themselves.
	text := strings.TrimPrefix(a.Err.Error(), "amqp: ")
	text = strings.TrimPrefix(text, where+": ")
	text = strings.TrimPrefix(text, string(a.Phase)+": ")
	return fmt.Sprintf("%s: %s: %s", where, a.Phase, text)
}

// DialError is returned when no attempt led to an open connection. The errors
// of all attempts are reachable through errors.Is and errors.As, the context's
// error too, if that ended the attempts.
type DialError struct {
	Attempts []Attempt // in the order they were made; the latest 100 of endless ones
	Cause    error     // why there were no more attempts: the context's error or ErrClosed; nil when all were made
}

// Error lists every attempt.
func (e *DialError) Error() string {
	var b strings.Builder
	b.WriteString("amqp: cannot connect")
	if e.Cause != nil {
		b.WriteString(": " + strings.TrimPrefix(e.Cause.Error(), "amqp: "))
	}
	for i, a := range e.Attempts {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + a.String())
	}
	return b.String()
}

// Unwrap is the errors of the attempts and the cause.
func (e *DialError) Unwrap() []error {
	errs := make([]error, 0, len(e.Attempts)+1)
	for _, a := range e.Attempts {
		errs = append(errs, a.Err)
	}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}
