package adapters_test

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/haypile/haypile/adapters"
)

func TestErrClosedIsNetErrClosed(t *testing.T) {
	if !errors.Is(adapters.ErrClosed, net.ErrClosed) || errors.Is(adapters.ErrClosed, io.EOF) {
		t.Error("ErrClosed does not match as documented")
	}
}

func TestPanicErrorUnwrapsErrorsOnly(t *testing.T) {
	if err := (&adapters.PanicError{Value: io.EOF}); !errors.Is(err, io.EOF) || err.Error() != "amqp: handler panicked: EOF" {
		t.Error(err)
	}
	if err := (&adapters.PanicError{Value: "text"}); err.Unwrap() != nil {
		t.Error(err.Unwrap())
	}
}
