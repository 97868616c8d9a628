package blocking_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// diary is what hooks were told.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, a ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, a...))
}

func (d *diary) has(line string) bool { return d.count(line) > 0 }

func (d *diary) count(line string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.lines {
		if l == line {
			n++
		}
	}
	return n
}

type mark struct{}

// keep are hooks that write all down.
func (d *diary) keep() blocking.Hooks {
	return blocking.Hooks{
		Open:  func(*blocking.Conn) { d.add("open") },
		Close: func(_ *blocking.Conn, err error) { d.add("close %v", err) },
		Event: func(_ *blocking.Conn, e blocking.Event) { d.add("event %T", e) },
		Publish: func(ctx context.Context, _ *blocking.Channel, p *blocking.Publishing) (*blocking.Publishing, func(error)) {
			changed := *p
			changed.Body = append(bytes.Clone(p.Body), '!')
			return &changed, func(err error) { d.add("publish %v %v", ctx.Value(mark{}), err) }
		},
		Deliver: func(ctx context.Context, queue string, m *blocking.Delivery) context.Context {
			d.add("deliver %d from %s", m.DeliveryTag, queue)
			return context.WithValue(ctx, mark{}, m.DeliveryTag)
		},
		Settle: func(m *blocking.Delivery, how blocking.Settlement, err error) {
			d.add("%s %d %v", how, m.DeliveryTag, err)
		},
		Call: func(_ context.Context, _ *blocking.Channel, method blocking.MethodID) func(error) {
			d.add("call %s", method)
			return func(err error) { d.add("called %s, refused: %v", method, errors.Is(err, blocking.NotFound)) }
		},
	}
}

func TestDialReturnsWhenHooksKnowOfTheConnection(t *testing.T) {
	known := false
	connect(t, nil, blocking.WithHooks(blocking.Hooks{Open: func(*blocking.Conn) {
		for range 1000 {
			runtime.Gosched()
		}
		known = true
	}}))
	if !known {
		t.Error("it has returned before")
	}
}

func TestDialEndsWithItsContextThoughAHookDoesNot(t *testing.T) {
	checkGoroutines(t)
	addr := fakebroker.Start(t, func(_ int, s *fakebroker.Session) {
		if s.Handshake() {
			s.Next() // the end
		}
	})
	ctx, cancel := context.WithCancel(testContext(t))
	_, err := blocking.Dial(ctx, "amqp://"+addr, patiently(), blocking.WithHooks(blocking.Hooks{Open: func(c *blocking.Conn) {
		cancel()
		<-c.Done()
	}}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestHooksAreToldOfEverything(t *testing.T) {
	var d diary
	bodies := make(chan string, 10)
	inner := judge()
	conn, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m := m.(type) {
		case *wire.BasicPublish:
			bodies <- string(body)
		case *wire.QueueDeclare:
			s.Send(n, &wire.ChannelClose{ReplyCode: wire.NotFound, ReplyText: "NOT_FOUND"})
			return
		case *wire.BasicGet:
			s.Send(n, &wire.BasicGetOk{DeliveryTag: 9}, "body")
			return
		default:
			obey(s, m, n)
		}
		inner(s, m, n, body)
	}, blocking.WithHooks(d.keep()), blocking.WithHooks(d.keep()))
	ctx := context.WithValue(testContext(t), mark{}, "mine")
	mine := []byte("body")
	if err := ch.PublishConfirm(ctx, &blocking.Publishing{RoutingKey: "nack", Body: mine}); !errors.Is(err, blocking.ErrNacked) {
		t.Errorf("nacked: %v", err)
	}
	if got := <-bodies; got != "body!!" || string(mine) != "body" {
		t.Errorf("both hooks change the message: %q was sent of %q", got, mine)
	}
	for m, err := range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Context().Value(mark{}) != m.DeliveryTag {
			t.Errorf("the message's context has %v", m.Context().Value(mark{}))
		}
		if m.DeliveryTag == 1 {
			m.Ack()
			m.Ack()
			continue
		}
		m.Nack(true)
		break
	}
	got, err := ch.Get(ctx, &blocking.Get{Queue: "other"})
	if err != nil || got.Reject(false) != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "none", Passive: true}); !errors.Is(err, blocking.NotFound) {
		t.Errorf("refused: %v", err)
	}
	<-ch.Done()
	if err := ch.Publish(ctx, &blocking.Publishing{}); !errors.Is(err, blocking.ErrClosed) {
		t.Errorf("on the closed channel: %v", err)
	}
	if err := conn.Close(ctx); err != nil {
		t.Error(err)
	}
	for _, line := range []string{
		"open", "event blocking.ChannelFailed",
		"publish mine " + blocking.ErrNacked.Error(),
		"deliver 1 from q", "deliver 2 from q", "acked 1 <nil>", "requeued 2 <nil>",
		"call basic.get", "called basic.get, refused: false", "deliver 9 from other", "discarded 9 <nil>",
		"call queue.declare", "called queue.declare, refused: true",
	} {
		eventually(t, "told: "+line, func() bool { return d.has(line) })
	}
	eventually(t, "both were told of the end, which is the last", func() bool { return d.count("close <nil>") == 2 })
	if n := d.count("acked 1 <nil>"); n != 2 {
		t.Errorf("the ack was told %d times by two hooks", n)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.lines, "requeued 3 <nil>") {
		t.Error("what was given back unseen was told")
	}
	if !slices.Equal(d.lines[:2], []string{"open", "open"}) {
		t.Errorf("first was told %q", d.lines[:2])
	}
	var ofConn []string // the others are told in the goroutine of the caller
	for _, line := range d.lines {
		if word, _, _ := strings.Cut(line, " "); word == "open" || word == "event" || word == "close" {
			ofConn = append(ofConn, line)
		}
	}
	failed := "event blocking.ChannelFailed"
	if want := []string{"open", "open", failed, failed, "close <nil>", "close <nil>"}; !slices.Equal(ofConn, want) {
		t.Errorf("of the connection was told %q", ofConn)
	}
}

// records is a log that can be read while it is written.
type records struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

func TestLogTellsTheLifeOfAConnectionAndNoSecret(t *testing.T) {
	var out records
	r := connectRestarting(t, nil, blocking.WithName("worker"),
		blocking.WithParams(func(p *blocking.Params) {
			p.Client.Mechanisms = []blocking.Mechanism{blocking.Plain("anna", blocking.NewSecret("correct-horse"))}
		}),
		blocking.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
	r.admit(func(n int, _ *fakebroker.Session) bool { return n > 1 })
	r.cut <- struct{}{}
	await[blocking.Recovered](t, r)
	if err := r.conn.Close(testContext(t)); err != nil {
		t.Error(err)
	}
	eventually(t, "the end is written", func() bool { return strings.Contains(out.String(), "connection closed") })
	at := 0
	for _, part := range []string{
		`level=INFO msg=connected amqp.vhost=/ amqp.name=worker remote=127.0.0.1:`,
		`level=WARN msg="connection lost"`,
		`level=WARN msg="attempt to connect failed"`, `phase="AMQP handshake"`,
		`level=INFO msg="connection recovered"`,
		`level=INFO msg="connection closed"`,
	} {
		i := strings.Index(out.String()[at:], part)
		if i < 0 {
			t.Fatalf("no %q in its place:\n%s", part, out.String())
		}
		at += i
	}
	if strings.Contains(out.String(), "correct-horse") {
		t.Error("the log has the password")
	}
}

// Hooks hear of deferred publishes when their outcome is known, and of messages
// that handlers and batches get.
func TestHooksHearOfDeferredPublishesHandlersAndBatches(t *testing.T) {
	settled := make(chan string, 100)
	answers := deliveries(2, settled)
	told := &diary{}
	outcome := make(chan error, 1)
	hooks := told.keep()
	hooks.Publish = func(_ context.Context, _ *blocking.Channel, p *blocking.Publishing) (*blocking.Publishing, func(error)) {
		return p, func(err error) { outcome <- err }
	}
	_, ch := connect(t, func(s *fakebroker.Session, m wire.Method, n uint16, body []byte) {
		switch m.(type) {
		case *wire.ConfirmSelect:
			s.Send(n, &wire.ConfirmSelectOk{})
		case *wire.BasicPublish:
			s.Send(n, &wire.BasicNack{DeliveryTag: 1})
		default:
			answers(s, m, n, body)
		}
	}, blocking.WithHooks(hooks))
	ctx := testContext(t)
	if _, err := ch.PublishDeferred(ctx, &blocking.Publishing{}); err != nil {
		t.Fatal(err)
	}
	if err := <-outcome; !errors.Is(err, blocking.ErrNacked) {
		t.Errorf("the deferred publish: %v", err)
	}
	for batch, err := range ch.ConsumeBatches(ctx, &blocking.Consume{Queue: "batches"}, 2, bound) {
		if err != nil || batch[1].Context().Value(mark{}) != batch[1].DeliveryTag {
			t.Errorf("batch: %v", err)
		}
		break
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := ch.Handle(ctx, &blocking.Handle{Consume: blocking.Consume{Queue: "handled"}}, func(ctx context.Context, d *blocking.Delivery) error {
		if ctx.Value(mark{}) != d.DeliveryTag {
			t.Error("the handler has not the message's context")
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("handling: %v", err)
	}
	for _, line := range []string{"deliver 1 from batches", "deliver 2 from batches", "deliver 1 from handled", "acked 1 <nil>"} {
		if !told.has(line) {
			t.Errorf("no %q in %v", line, told.lines)
		}
	}
}
