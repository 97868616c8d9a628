package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/broker"
)

// shortT is a test that go test ends soon.
type shortT struct {
	*fakeT
	deadline time.Time
}

func (t shortT) Deadline() (time.Time, bool) { return t.deadline, true }

func TestAWaitInVainEndsByItself(t *testing.T) {
	for _, test := range []struct {
		name string
		left time.Duration // until go test ends the test; zero for ever
		ctx  time.Duration // until the context ends; zero for never
		want time.Duration
	}{
		{"after a while", 0, 0, 30 * time.Second},
		{"before a test that may take long", 10 * time.Minute, 0, 30 * time.Second},
		{"before a test that ends soon", 20 * time.Second, 0, 10 * time.Second},
		{"when its context ends first", 20 * time.Second, time.Second, time.Second},
		{"when its context ends later", 0, time.Hour, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake := &fakeT{TB: t}
				var tb broker.TB = fake
				if test.left > 0 {
					tb = shortT{fake, time.Now().Add(test.left)}
				}
				b := broker.RunT(tb)
				defer fake.end()
				ctx := t.Context()
				if test.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.ctx)
					defer cancel()
				}
				begin := time.Now()
				err := b.WaitEmpty(ctx, "jobs")
				if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), `amqp: broker: no queue "jobs"; there is none (`) {
					t.Errorf("it ended with %v", err)
				}
				if took := time.Since(begin); took != test.want {
					t.Errorf("it took %s, not %s", took, test.want)
				}
			})
		})
	}
}

func TestAWaitInABubbleLastsADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.RunT(t)
		begin := time.Now()
		if err := b.WaitConnections(t.Context(), 1); err == nil || time.Since(begin) != 24*time.Hour {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

func TestAWaitInVainTellsWhatIsMissing(t *testing.T) {
	b := broker.RunT(t)
	ch := openChannel(t, b)
	makeQueues(t, ch, "jobs", "more")
	mustPublish(t, ch, "jobs", "left over")
	held := b.HoldConfirms()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for want, err := range map[string]error{
		"jobs: want 7 ready, have 1":              b.WaitReady(ctx, "jobs", 7),
		"jobs: want 2 unacked, have 0":            b.WaitUnacked(ctx, "jobs", 2),
		"jobs: want 0 messages, have 1":           b.WaitEmpty(ctx, "jobs"),
		"jobs: want 1 consumers, have 0":          b.WaitConsumers(ctx, "jobs", 1),
		"jobs: not what was waited for":           b.WaitQueue(ctx, "jobs", func(*broker.QueueState) bool { return false }),
		`no queue "nojobs"; there is: jobs, more`: b.WaitEmpty(ctx, "nojobs"),
		"want 0 connections, have 1":              b.WaitConnections(ctx, 0),
		"want 3 held confirms, have 0":            held.Wait(ctx, 3),
		"not what was waited for":                 b.WaitFor(ctx, func(*broker.State) bool { return false }),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "amqp: broker: "+want+" (context canceled)\n") {
			t.Errorf("not %q but %v", want, err)
		}
	}
}
