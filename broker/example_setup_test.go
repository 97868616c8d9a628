package broker_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
)

// setUp is what the examples begin with: a broker with the queue "jobs", and a
// client's channel. A test has broker.RunT instead.
func setUp() (ctx context.Context, b *broker.Broker, ch *blocking.Channel, end func()) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	b, err := broker.Start(broker.WithJournal(100))
	check(err)
	conn, err := blocking.Dial(ctx, b.URL(), blocking.WithName("worker"), blocking.WithRecovery(nil))
	check(err)
	ch, err = conn.Channel(ctx)
	check(err)
	_, err = ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "jobs", Durable: true})
	check(err)
	return ctx, b, ch, func() {
		conn.Close(ctx)
		b.Stop(ctx)
		cancel()
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// job is a message for the queue "jobs".
func job(body string) *blocking.Publishing {
	return &blocking.Publishing{RoutingKey: "jobs", Mandatory: true, Body: []byte(body)}
}

// exampleT stands for the *testing.T of a test.
type exampleT struct{ cleanups []func() }

func (t *exampleT) Helper()                      {}
func (t *exampleT) Cleanup(f func())             { t.cleanups = append(t.cleanups, f) }
func (t *exampleT) Failed() bool                 { return false }
func (t *exampleT) Logf(f string, args ...any)   { fmt.Printf(f+"\n", args...) }
func (t *exampleT) Errorf(f string, args ...any) { fmt.Printf(f+"\n", args...) }
func (t *exampleT) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }

func (t *exampleT) end() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}
