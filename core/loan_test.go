package core_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// A lent body leaves from the memory in which it is, and with the same bytes as
// one that was copied, however the transport takes them.
func TestLentBodiesAreSentInPlace(t *testing.T) {
	bodies := [][]byte{bytes.Repeat([]byte("a"), 10_000), nil, []byte("short"), bytes.Repeat([]byte("b"), 4088), bytes.Repeat([]byte("c"), 4089)}
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, seed))
		copied, lent := small(t), small(t)
		released := 0
		copiedTo, lentTo := copied.channel(), lent.channel()
		for _, body := range bodies {
			p := &core.Publishing{RoutingKey: "k", Body: body}
			_, err := lentTo.PublishLoan(p, func(err error) { ok(t, err); released++ })
			ok(t, err)
			_, err = copiedTo.Publish(p)
			ok(t, err)
			trickle(lent, r, r.IntN(20_000))
		}
		trickle(lent, r, 1<<20)
		copied.flush()
		if !bytes.Equal(lent.in, copied.in) {
			t.Fatalf("seed %d: lent bodies make other bytes than copied ones", seed)
		}
		if released != len(bodies) {
			t.Fatalf("seed %d: %d of %d loans were returned", seed, released, len(bodies))
		}
	}
}

func small(t *testing.T) *bench {
	b := newBench(t, core.ClientConfig{})
	b.handshake(wire.ConnectionTune{ChannelMax: 100, FrameMax: 4096})
	return b
}

// trickle lets the transport take up to n bytes, a few at a time.
func trickle(b *bench, r *rand.Rand, n int) {
	for n > 0 && b.c.Buffered() > 0 {
		take := 1 + r.IntN(min(n, 3000))
		n -= take
		for _, segment := range b.c.Outbound(nil) {
			part := segment[:min(take, len(segment))]
			b.in = append(b.in, part...)
			take -= len(part)
			b.c.Advance(len(part))
			break // Advance ends what Outbound returned
		}
	}
}

func TestALoanIsReturnedOnce(t *testing.T) {
	for name, end := range map[string]func(b *bench){
		"lost":        func(b *bench) { b.c.Lost(errors.New("reset"), b.now) },
		"close":       func(b *bench) { ok(b.t, b.c.Close(0, "")); b.flush(); b.method(0, &wire.ConnectionCloseOk{}) },
		"closed":      func(b *bench) { b.method(0, &wire.ConnectionClose{ReplyCode: 320}); b.c.Lost(nil, b.now) },
		"offence":     func(b *bench) { b.feed([]byte{9, 0, 0, 0, 0, 0, 0, 0}); b.at(minute); b.c.Lost(nil, b.now) },
		"silence":     func(b *bench) { b.c.Tick(b.now.Add(2 * minute)) },
		"close alone": func(b *bench) { b.method(1, &wire.ChannelClose{ReplyCode: 404}); b.flush() },
	} {
		for _, sent := range []int{0, 1, 20, 40, 60, 4000, 5000, 9000} {
			t.Run(fmt.Sprintf("%s after %d bytes", name, sent), func(t *testing.T) {
				b := small(t)
				ch := b.channel()
				returned := 0
				for range 2 {
					_, err := ch.PublishLoan(&core.Publishing{Body: make([]byte, 5000)}, func(error) { returned++ })
					ok(t, err)
				}
				b.c.Advance(sent)
				end(b)
				if returned != 2 {
					t.Errorf("%d loans were returned", returned)
				}
			})
		}
	}
}

// What is copied is not needed any more, wherever in it the transport was.
func TestCopiedLoansAreGivenBackAndSentAllTheSame(t *testing.T) {
	for _, sent := range []int{0, 1, 40, 60, 4000, 4095, 4096, 4200, 9999, 10_000, 14_000} {
		t.Run(fmt.Sprintf("after %d bytes", sent), func(t *testing.T) {
			lent, copied := small(t), small(t)
			lentTo, copiedTo := lent.channel(), copied.channel()
			memory, returned := bytes.Repeat([]byte("a"), 10_000), 0
			for _, size := range []int{len(memory), 3000} {
				p := &core.Publishing{Body: memory[:size]}
				_, err := lentTo.PublishLoan(p, func(err error) { ok(t, err); returned++ })
				ok(t, err)
				_, err = copiedTo.Publish(p)
				ok(t, err)
			}
			trickle(lent, rand.New(rand.NewPCG(1, 1)), sent)
			var others int
			_, err := lentTo.PublishLoan(&core.Publishing{Body: []byte("another")}, func(error) { others++ })
			ok(t, err)
			_, err = copiedTo.Publish(&core.Publishing{Body: []byte("another")})
			ok(t, err)
			lent.c.CopyLoans(memory)
			lent.c.CopyLoans(memory[:1])
			lent.c.CopyLoans(nil)
			lent.c.Tick(lent.now)
			if returned != 2 || others != 0 {
				t.Fatalf("%d loans of 2, and %d of another body, were returned", returned, others)
			}
			clear(memory)
			lent.flush()
			copied.flush()
			if !bytes.Equal(lent.in, copied.in) {
				t.Error("other bytes were sent")
			}
			if returned != 2 || others != 1 {
				t.Errorf("%d loans of 2, and %d of another body, were returned in the end", returned, others)
			}
		})
	}
}

func TestALoanThatIsHeldBackCanBeCopied(t *testing.T) {
	b := newBench(t, core.ClientConfig{Serial: true})
	b.handshake(wire.ConnectionTune{ChannelMax: 100, FrameMax: 4096})
	ch := b.channel()
	ok(t, ch.QueueDeclare(&wire.QueueDeclare{Queue: "q"}, func(*wire.QueueDeclareOk, error) {}))
	memory, returned := []byte("lent body"), 0
	_, err := ch.PublishLoan(&core.Publishing{Body: memory}, func(err error) { ok(t, err); returned++ })
	ok(t, err)
	b.flush()
	b.c.CopyLoans(memory)
	b.c.Tick(b.now)
	if returned != 1 {
		t.Fatalf("%d loans of 1 were returned", returned)
	}
	clear(memory)
	b.method(1, &wire.QueueDeclareOk{Queue: "q"})
	b.flush()
	if !bytes.Contains(b.in, []byte("lent body")) {
		t.Error("the body was not sent")
	}
}

// After the broker's close, what is left of a lent body is whole frames, so that
// close-ok arrives.
func TestCloseOkFollowsAHalfSentLoan(t *testing.T) {
	for sent := range 13_000 {
		if sent > 200 && sent%97 != 0 {
			continue
		}
		b := small(t)
		ch := b.channel()
		for range 2 {
			_, err := ch.PublishLoan(&core.Publishing{Body: make([]byte, 6000)}, func(error) {})
			ok(t, err)
		}
		trickle(b, rand.New(rand.NewPCG(1, 1)), sent)
		b.method(0, &wire.ConnectionClose{ReplyCode: 320})
		if lines := b.received(); lines[len(lines)-1] != "0 connection.close-ok" {
			t.Fatalf("after %d bytes the client sent %q", sent, lines)
		}
	}
}
