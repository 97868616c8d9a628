package queue

import (
	"testing"

	"github.com/haypile/haypile/core/wire"
)

// All texts are what RabbitMQ 3.10.8 answers.
func TestEquivalence(t *testing.T) {
	durable := func(args ...any) wire.QueueDeclare {
		return wire.QueueDeclare{Durable: true, Arguments: table(args...)}
	}
	for name, tt := range map[string]struct {
		current, received wire.QueueDeclare
		arg, want         string
	}{
		"the same":               {durable("x-message-ttl", int32(5)), durable("x-message-ttl", int32(5)), "", ""},
		"durable":                {durable(), wire.QueueDeclare{AutoDelete: true}, "durable", "received 'false' but current is 'true'"},
		"auto-delete":            {durable(), wire.QueueDeclare{Durable: true, AutoDelete: true}, "auto_delete", "received 'true' but current is 'false'"},
		"exclusive is not ours":  {durable(), wire.QueueDeclare{Durable: true, Exclusive: true}, "", ""},
		"one that is new":        {durable(), durable("x-message-ttl", int32(5)), "x-message-ttl", "received the value '5' of type 'signedint' but current is none"},
		"one that is missing":    {durable("x-message-ttl", uint8(5)), durable(), "x-message-ttl", "received none but current is the value '5' of type 'unsignedbyte'"},
		"another value":          {durable("x-message-ttl", int32(5)), durable("x-message-ttl", int64(6)), "x-message-ttl", "received '6' but current is '5'"},
		"another integer type":   {durable("x-message-ttl", int8(5)), durable("x-message-ttl", int64(5)), "", ""},
		"another string":         {durable("x-dead-letter-exchange", "a"), durable("x-dead-letter-exchange", "b"), "x-dead-letter-exchange", "received 'b' but current is 'a'"},
		"a missing string":       {durable("x-dead-letter-exchange", "a"), durable(), "x-dead-letter-exchange", "received none but current is the value 'a' of type 'longstr'"},
		"a missing bool":         {durable("x-single-active-consumer", true), durable(), "x-single-active-consumer", "received none but current is the value 'true' of type 'bool'"},
		"another bool":           {durable("x-single-active-consumer", true), durable("x-single-active-consumer", false), "x-single-active-consumer", "received 'false' but current is 'true'"},
		"a default that is told": {durable("x-overflow", "drop-head"), durable(), "x-overflow", "received none but current is the value 'drop-head' of type 'longstr'"},
		"the default type":       {durable(), durable("x-queue-type", "classic"), "", ""},
		"the default type left":  {durable("x-queue-type", "classic"), durable(), "", ""},
		"another type":           {durable("x-queue-type", "classic"), durable("x-queue-type", "quorum"), "x-queue-type", "received 'quorum' but current is 'classic'"},
		"a type left":            {durable("x-queue-type", "quorum"), durable(), "x-queue-type", "received none but current is the value 'quorum' of type 'longstr'"},
		"a quorum queue's":       {durable("x-queue-type", "quorum", "x-delivery-limit", int32(2)), durable("x-queue-type", "quorum"), "x-delivery-limit", "received none but current is the value '2' of type 'signedint'"},
		"unknown ones":           {durable("x-unknown", 1), durable("x-unknown", 2), "", ""},
		"several, in order": {
			durable(), durable("x-overflow", "drop-head", "x-single-active-consumer", true, "x-max-priority", int32(5), "x-queue-mode", "lazy"),
			"x-max-priority", "received the value '5' of type 'signedint' but current is none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := func(d wire.QueueDeclare) Config {
				d.Queue = "q"
				c, err := NewConfig("/", &d)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			current, received := config(tt.current), config(tt.received)
			want := tt.want
			if want != "" {
				want = "inequivalent arg '" + tt.arg + "' for queue 'q' in vhost '/': " + want
			}
			expect(t, textOf(t, current.Equivalent(&received)), want)
		})
	}
}
