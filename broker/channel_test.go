package broker_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

// isRefused checks that an error is what the broker said.
func isRefused(t *testing.T, err error, code wire.Code, text string) {
	t.Helper()
	var e *blocking.Error
	if !errors.As(err, &e) || e.Code != code || e.Text != text {
		t.Errorf("got %v\nwant %d %s", err, uint16(code), text)
	}
}

func TestATransactionShowsNothingBeforeItsCommit(t *testing.T) {
	b := start(t)
	ch, ctx := dial(t, b.URL()), timeout(t)
	declare(t, ch, "q", nil)
	if err := ch.TxSelect(ctx); err != nil {
		t.Fatal(err)
	}
	publish := func(body string) {
		if err := ch.Publish(ctx, &blocking.Publishing{RoutingKey: "q", Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	publish("undone")
	if err := ch.TxRollback(ctx); err != nil {
		t.Fatal(err)
	}
	publish("done")
	if n := ready(b, "q"); n != 0 {
		t.Errorf("%d messages before the commit", n)
	}
	if err := ch.TxCommit(ctx); err != nil {
		t.Fatal(err)
	}
	d := get(t, ch, "q")
	if string(d.Body) != "done" || d.MessageCount != 0 {
		t.Errorf("got %q, %d are left", d.Body, d.MessageCount)
	}
	if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
	if err := ch.TxRollback(ctx); err != nil {
		t.Fatal(err)
	}
	if s := b.State(); s.Queue("/", "q").Unacked != 1 {
		t.Error("an ack that was rolled back has counted")
	}
	if err := ch.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := ready(b, "q"); n != 1 {
		t.Errorf("%d messages came back", n)
	}
}

func TestRepliesGoStraightToWhoAsked(t *testing.T) {
	b := start(t)
	server, client := dial(t, b.URL()), dial(t, b.URL())
	declare(t, server, "requests", nil)
	ctx := timeout(t)
	served := make(chan error, 1)
	go func() {
		d, err := server.Get(ctx, &blocking.Get{Queue: "requests", NoAck: true})
		for ; d == nil && err == nil; d, err = server.Get(ctx, &blocking.Get{Queue: "requests", NoAck: true}) {
		}
		if err == nil {
			to, _ := d.Properties.ReplyTo()
			id, _ := d.Properties.CorrelationID()
			err = server.Publish(ctx, &blocking.Publishing{RoutingKey: to, Body: []byte("pong"), Properties: &blocking.Properties{CorrelationID: id}})
		}
		served <- err
	}()
	caller, err := client.Conn().Caller(ctx)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := caller.Call(ctx, &blocking.Publishing{RoutingKey: "requests", Body: []byte("ping")})
	if err != nil || string(reply.Body) != "pong" {
		t.Errorf("got %v, %v", reply, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestConsumersOfADeletedQueueAreTold(t *testing.T) {
	b := start(t)
	ch, ctx := dial(t, b.URL()), timeout(t)
	declare(t, ch, "q", nil)
	ended := make(chan error, 1)
	go func() {
		for _, err := range ch.Consume(ctx, &blocking.Consume{Queue: "q"}) {
			ended <- err
			return
		}
	}()
	eventually(t, "a consumer", func() bool { s := b.State(); return len(s.Consumers) == 1 })
	if _, err := dial(t, b.URL()).QueueDelete(ctx, &blocking.QueueDelete{Queue: "q"}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("the consumer was not told")
	}
}

func TestUsersMayDoWhatTheirPermissionsSay(t *testing.T) {
	limited := broker.NewUser("limited", "secret")
	limited.Permissions = map[string]broker.Permission{"/": {Configure: "^own-", Write: "^own-", Read: "^own-"}}
	b := start(t, broker.WithUsers(broker.Guest(), limited))
	guest := dial(t, b.URL())
	declare(t, guest, "other", nil)
	url := "amqp://limited:secret@" + b.Addr().String()
	ch, ctx := dial(t, url), timeout(t)
	declare(t, ch, "own-q", nil)
	_, err := ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: "other"})
	isRefused(t, err, wire.AccessRefused, "ACCESS_REFUSED - read access to queue 'other' in vhost '/' refused for user 'limited'")
	_, err = blocking.Dial(ctx, "amqp://limited:wrong@"+b.Addr().String(), blocking.WithRecovery(nil))
	isRefused(t, err, wire.AccessRefused, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.")
	_, err = blocking.Dial(ctx, url+"/elsewhere", blocking.WithRecovery(nil))
	isRefused(t, err, wire.NotAllowed, "NOT_ALLOWED - vhost elsewhere not found")
}

func TestProfilesDifferWhereClientsCanTell(t *testing.T) {
	transient := &blocking.QueueDeclare{Queue: "transient"}
	if _, err := dial(t, start(t, broker.WithProfile(broker.RabbitMQ3)).URL()).QueueDeclare(timeout(t), transient); err != nil {
		t.Errorf("RabbitMQ 3: %v", err)
	}
	_, err := dial(t, start(t).URL()).QueueDeclare(timeout(t), transient)
	if !errors.Is(err, wire.InternalError) {
		t.Errorf("RabbitMQ 4: %v", err)
	}
	small := "?frame_max=4096"
	if _, err := blocking.Dial(timeout(t), start(t).URL()+small, blocking.WithRecovery(nil)); err == nil {
		t.Error("RabbitMQ 4 took a frame-max of 4096")
	}
	if _, err := broker.New(broker.WithProfile(7)); err == nil {
		t.Error("a profile that does not exist was taken")
	}
}

func TestMessagesOfAClosedChannelComeBackInOrder(t *testing.T) {
	b := start(t)
	ch, ctx := dial(t, b.URL()), timeout(t)
	declare(t, ch, "q", nil)
	want := []string{"1", "2", "3", "4"}
	for _, body := range want {
		send(t, ch, "q", body)
	}
	other, err := ch.Conn().Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		get(t, other, "q")
	}
	if err := other.Close(ctx); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range want {
		d := get(t, ch, "q")
		if d.Redelivered != (i < 3) {
			t.Errorf("message %s: redelivered is %v", d.Body, d.Redelivered)
		}
		got = append(got, string(d.Body))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}
