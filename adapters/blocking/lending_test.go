package blocking_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/internal/fakebroker"
	"github.com/haypile/haypile/core/wire"
)

// hugeBody is more than sockets hold when nobody reads.
func hugeBody() []byte { return bytes.Repeat([]byte("huge"), 3<<20) }

// awaitPublished waits until n messages are on their way.
func awaitPublished(t *testing.T, conn *blocking.Conn, n uint64) {
	t.Helper()
	for ctx := testContext(t); conn.Stats().Published < n; time.Sleep(time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("%d messages of %d are on their way", conn.Stats().Published, n)
		}
	}
}

func TestAHugeBodyIsItsPublishersAgainWhenTheContextEnds(t *testing.T) {
	read, got := make(chan struct{}), make(chan []byte, 2)
	conn, ch := connect(t, func(_ *fakebroker.Session, _ wire.Method, _ uint16, body []byte) {
		<-read
		got <- bytes.Clone(body)
	})
	if err := ch.Publish(testContext(t), &blocking.Publishing{Body: []byte("small")}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	body, published := hugeBody(), make(chan error)
	go func() { published <- ch.Publish(ctx, &blocking.Publishing{Body: body}) }()
	awaitPublished(t, conn, 2)
	cancel()
	if err := <-published; err != nil {
		t.Errorf("the message has its place, but: %v", err)
	}
	clear(body)
	close(read)
	if s := <-got; string(s) != "small" {
		t.Errorf("the first message has %d bytes", len(s))
	}
	if s := <-got; !bytes.Equal(s, hugeBody()) {
		t.Errorf("a message of %d bytes came, not what was published", len(s))
	}
}

// As any message without a confirm, it may be lost, but comes once and whole if it does.
func TestAHugeBodyDoesNotKeepItsPublisherWhenTheConnectionIsLost(t *testing.T) {
	hold, got := make(chan struct{}), make(chan []byte, 3)
	r := connectRestarting(t, func(n int) answer {
		return func(_ *fakebroker.Session, m wire.Method, _ uint16, body []byte) {
			if m.ID() != wire.BasicPublishID {
				return
			}
			if n == 0 {
				<-hold
				return
			}
			got <- bytes.Clone(body)
		}
	})
	ctx := testContext(t)
	if err := r.ch.Publish(ctx, &blocking.Publishing{Body: []byte("small")}); err != nil {
		t.Fatal(err)
	}
	body, published := hugeBody(), make(chan error)
	go func() { published <- r.ch.Publish(ctx, &blocking.Publishing{Body: body}) }()
	awaitPublished(t, r.conn, 2)
	r.lose(t)
	close(hold)
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	clear(body)
	if err := r.ch.Publish(ctx, &blocking.Publishing{Body: []byte("last")}); err != nil {
		t.Fatal(err)
	}
	s := <-got
	if bytes.Equal(s, hugeBody()) {
		s = <-got
	}
	if string(s) != "last" {
		t.Errorf("a message of %d bytes came, not what was published", len(s))
	}
}

func TestAHugeBodyDoesNotOutliveItsConnection(t *testing.T) {
	hold := make(chan struct{})
	conn, ch := connect(t, func(*fakebroker.Session, wire.Method, uint16, []byte) { <-hold })
	if err := ch.Publish(testContext(t), &blocking.Publishing{Body: []byte("small")}); err != nil {
		t.Fatal(err)
	}
	body, published := hugeBody(), make(chan error)
	go func() { published <- ch.Publish(testContext(t), &blocking.Publishing{Body: body}) }()
	awaitPublished(t, conn, 2)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	conn.Close(ended)
	if err := <-published; err != nil {
		t.Errorf("the connection was closed: %v", err)
	}
	close(hold)
}

func TestFailFastWaitsForNoTransport(t *testing.T) {
	read, got := make(chan struct{}), make(chan int, 2)
	conn, _ := connect(t, func(_ *fakebroker.Session, m wire.Method, _ uint16, body []byte) {
		if m.ID() == wire.BasicPublishID {
			<-read
			got <- len(body)
		}
	})
	ch, err := conn.Channel(testContext(t), blocking.WithFailFast())
	if err != nil {
		t.Fatal(err)
	}
	body := hugeBody()
	for _, n := range []int{5, len(body)} {
		if err := ch.Publish(testContext(t), &blocking.Publishing{Body: body[:n]}); err != nil {
			t.Fatal(err)
		}
	}
	clear(body)
	close(read)
	for _, n := range []int{5, len(body)} {
		if s := <-got; s != n {
			t.Errorf("a message of %d bytes came, not of %d", s, n)
		}
	}
}
