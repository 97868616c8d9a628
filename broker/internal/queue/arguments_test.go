package queue

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// configFor is the configuration of queue 'q' with these arguments.
func configFor(args ...any) (Config, error) {
	return NewConfig("/", &wire.QueueDeclare{Queue: "q", Durable: true, Arguments: table(args...)})
}

// textOf checks that err is of the promised type and returns its text.
func textOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var refused *ArgumentError
	if !errors.As(err, &refused) {
		t.Fatalf("got %T", err)
	}
	return refused.Error()
}

// All texts are what RabbitMQ 3.10.8 answers.
func TestWrongArgumentsAreRefusedInRabbitMQsWords(t *testing.T) {
	for _, tt := range []struct {
		arg   string
		value any
		want  string // behind "invalid arg 'x' for queue 'q' in vhost '/'"; empty for a good one
	}{
		{"x-expires", int32(0), ": {value_zero,0}"},
		{"x-expires", int32(-1), ": {value_negative,-1}"},
		{"x-expires", int64(4294967296), ""},
		{"x-expires", int64(4294967295000), ": {value_too_large,4294967295000}"},
		{"x-expires", "5", `: "expected integer, got longstr"`},
		{"x-message-ttl", int32(0), ""},
		{"x-message-ttl", uint8(7), ""},
		{"x-message-ttl", int8(-7), ": {value_negative,-7}"},
		{"x-message-ttl", int64(315360000000), ""},
		{"x-message-ttl", int64(315360000001), ": {value_too_large,315360000001}"},
		{"x-message-ttl", 1.5, `: "expected integer, got double"`},
		{"x-message-ttl", float32(1.5), `: "expected integer, got float"`},
		{"x-message-ttl", true, `: "expected integer, got bool"`},
		{"x-message-ttl", nil, `: "expected integer, got void"`},
		{"x-message-ttl", []byte{1}, `: "expected integer, got binary"`},
		{"x-message-ttl", wire.Table{"a": 1}, `: "expected integer, got table"`},
		{"x-message-ttl", []any{1}, `: "expected integer, got array"`},
		{"x-message-ttl", time.Unix(1, 0), `: "expected integer, got timestamp"`},
		{"x-message-ttl", wire.Decimal{Scale: 1, Value: 2}, `: "expected integer, got decimal"`},
		{"x-max-length", int32(0), ""},
		{"x-max-length", int64(1) << 40, ""},
		{"x-max-length", int32(-1), ": {value_negative,-1}"},
		{"x-max-length-bytes", int32(-1), ": {value_negative,-1}"},
		{"x-max-length-bytes", "5", `: "expected integer, got longstr"`},
		{"x-max-priority", int32(0), ""},
		{"x-max-priority", int32(255), ""},
		{"x-max-priority", int32(256), ": {max_value_exceeded,256}"},
		{"x-max-priority", int32(-1), ": {value_negative,-1}"},
		{"x-max-priority", "5", `: "expected integer, got longstr"`},
		{"x-overflow", "reject-publish-dlx", ""},
		{"x-overflow", "foo", ": invalid_overflow"},
		{"x-overflow", int32(5), ": {unacceptable_type,signedint}"},
		{"x-dead-letter-routing-key", "k", ": routing_key_but_no_dlx_defined"},
		{"x-dead-letter-routing-key", true, ": {unacceptable_type,bool}"},
		{"x-queue-mode", "lazy", ""},
		{"x-queue-mode", `bad'"\é`, `: "unsupported queue mode 'bad'\"\\é'"`},
		{"x-queue-mode", nil, ": {unacceptable_type,void}"},
		{"x-queue-version", int32(2), ""},
		{"x-queue-version", int32(0), `: "unsupported queue version '0'"`},
		{"x-queue-version", int32(-1), ": {value_negative,-1}"},
		{"x-queue-version", int64(4294967296), `: "unsupported queue version '4294967296'"`},
		{"x-queue-type", "foo", `: "unsupported queue type 'foo'"`},
		{"x-queue-type", []byte("x"), ": {unacceptable_type,binary}"},
		{"x-single-active-consumer", "true", ": {unacceptable_type,longstr}"},
		{"x-delivery-limit", int32(3), " of queue type rabbit_classic_queue"},
		{"x-max-age", "1D", " of queue type rabbit_classic_queue"},
		{"x-max-in-memory-length", "foo", " of queue type rabbit_classic_queue"},
		{"x-dead-letter-strategy", "foo", " of queue type rabbit_classic_queue"},
		{"x-queue-leader-locator", "balanced", " of queue type rabbit_classic_queue"},
		{"x-unknown", int32(5), ""},
	} {
		t.Run(fmt.Sprintf("%s %T %v", tt.arg, tt.value, tt.value), func(t *testing.T) {
			_, err := configFor(tt.arg, tt.value)
			want := tt.want
			if want != "" {
				want = "invalid arg '" + tt.arg + "' for queue 'q' in vhost '/'" + want
			}
			expect(t, textOf(t, err), want)
		})
	}
}

func TestDeadLetterExchangeMustBeAString(t *testing.T) {
	_, err := configFor("x-dead-letter-exchange", int32(5), "x-expires", int32(0))
	expect(t, textOf(t, err), "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'")
}

func TestTheFirstWrongArgumentIsTold(t *testing.T) {
	_, err := configFor("x-expires", int32(0), "x-message-ttl", "x", "x-max-priority", int32(-1))
	expect(t, textOf(t, err), "invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}")
	_, err = configFor("x-expires", int32(0), "x-queue-type", "foo")
	expect(t, textOf(t, err), `invalid arg 'x-queue-type' for queue 'q' in vhost '/': "unsupported queue type 'foo'"`)
}

func TestQuorumQueues(t *testing.T) {
	for name, tt := range map[string]struct {
		d    wire.QueueDeclare
		want string
	}{
		"are durable":           {wire.QueueDeclare{}, "invalid property 'non-durable' for queue 'q' in vhost '/'"},
		"are not exclusive":     {wire.QueueDeclare{Durable: true, Exclusive: true}, "invalid property 'exclusive-owner' for queue 'q' in vhost '/'"},
		"are not auto-delete":   {wire.QueueDeclare{Durable: true, AutoDelete: true}, "invalid property 'auto-delete' for queue 'q' in vhost '/'"},
		"have no priorities":    {wire.QueueDeclare{Durable: true, Arguments: table("x-max-priority", int32(3))}, "invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue"},
		"have a strategy":       {wire.QueueDeclare{Durable: true, Arguments: table("x-dead-letter-strategy", "foo")}, "invalid arg 'x-dead-letter-strategy' for queue 'q' in vhost '/': invalid_dlx_strategy"},
		"take a delivery limit": {wire.QueueDeclare{Durable: true, Arguments: table("x-delivery-limit", int32(3), "x-quorum-initial-group-size", int32(1))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tt.d.Queue = "q"
			if tt.d.Arguments == nil {
				tt.d.Arguments = wire.Table{}
			}
			tt.d.Arguments["x-queue-type"] = "quorum"
			_, err := NewConfig("/", &tt.d)
			expect(t, textOf(t, err), tt.want)
		})
	}
}

func TestStreamsAreRefused(t *testing.T) {
	_, err := configFor("x-queue-type", "stream", "x-max-age", "1D")
	var refused *ArgumentError
	if !errors.As(err, &refused) || refused.Code != wire.NotImplemented {
		t.Errorf("got %v", err)
	}
}

func TestArgumentsAreRead(t *testing.T) {
	c, err := configFor(
		"x-message-ttl", int32(5), "x-expires", int64(6000), "x-max-length", int8(7), "x-max-length-bytes", uint16(8),
		"x-overflow", "reject-publish", "x-dead-letter-exchange", "", "x-dead-letter-routing-key", "",
		"x-max-priority", uint8(9), "x-single-active-consumer", true)
	if err != nil {
		t.Fatal(err)
	}
	c.Arguments = nil
	expect(t, c, Config{
		VHost: "/", Name: "q", Durable: true, Type: Classic,
		MessageTTL: 5 * time.Millisecond, Expires: 6 * time.Second, MaxLength: 7, MaxLengthBytes: 8,
		Overflow: RejectPublish, DeadLetter: true, DeadLetterKey: true,
		MaxPriority: 9, SingleActiveConsumer: true, DeliveryLimit: -1,
	})
}

func TestNothingIsLimitedWithoutArguments(t *testing.T) {
	c, err := configFor()
	if err != nil {
		t.Fatal(err)
	}
	c.Arguments = nil
	expect(t, c, Config{
		VHost: "/", Name: "q", Durable: true, Type: Classic, Overflow: DropHead,
		MessageTTL: NoTTL, Expires: NoTTL, MaxLength: -1, MaxLengthBytes: -1, DeliveryLimit: -1,
	})
}

func TestArgumentsAreCopied(t *testing.T) {
	d := &wire.QueueDeclare{Queue: "q", Arguments: table("x-max-length", int32(1))}
	c, err := NewConfig("/", d)
	if err != nil {
		t.Fatal(err)
	}
	d.Arguments["x-max-length"] = int32(2)
	expect(t, c.Arguments["x-max-length"], any(int32(1)))
}

func TestConsumerPriority(t *testing.T) {
	c, err := configFor()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args wire.Table
		want int
		text string
	}{
		{nil, 0, ""},
		{table("x-priority", int32(-5)), -5, ""},
		{table("x-priority", "foo"), 0, `invalid arg 'x-priority' for queue 'q' in vhost '/': "expected integer, got longstr"`},
		{table("x-priority", nil), 0, `invalid arg 'x-priority' for queue 'q' in vhost '/': "expected integer, got void"`},
	} {
		got, err := c.ConsumerPriority(tt.args)
		expect(t, textOf(t, err), tt.text)
		expect(t, got, tt.want)
	}
}
