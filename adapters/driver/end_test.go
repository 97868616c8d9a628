package driver_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

func TestATimerOfAConnectionThatEndedIsTooLateToStop(t *testing.T) {
	d := dial(t, params(t, friendly(t)), nil)
	timer := d.CallLater(time.Hour, func(*core.Conn) { t.Error("it ran") })
	d.Close()
	<-d.Done()
	if timer.Stop() {
		t.Error("it was stopped")
	}
}

// RabbitMQ logs an error of clients that go without the answer.
func TestTheAnswerToABrokersRefusalIsSent(t *testing.T) {
	answered := make(chan bool, 1)
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) { answered <- s.Refuse() })
	_, err := driver.Dial(context.Background(), newLoop(t), params(t, addr), nil)
	if !errors.Is(err, wire.AccessRefused) {
		t.Errorf("dial: %v", err)
	}
	if !<-answered {
		t.Error("no close-ok came")
	}
}

func TestAServerOfTLSNeedsACertificate(t *testing.T) {
	errs := make(chan error, 1)
	s := driver.Serve(newLoop(t), listen(t), driver.ServeOptions{
		TLS:        &tls.Config{},
		NewHandler: func(*driver.Conn) core.ServerHandler { return &greeter{} },
		OnError:    func(err error) { errs <- err },
	})
	var config *core.ConfigError
	if err := <-errs; !errors.As(err, &config) || config.Field != "TLS" {
		t.Errorf("told %v", err)
	}
	<-s.Done()
}
