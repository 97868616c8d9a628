package broker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

// A rule looks at each method and decides.
func ExampleBroker_On() {
	ctx, b, ch, end := setUp()
	defer end()
	remove := b.On(wire.BasicPublishID, func(in *broker.Incoming) broker.Action {
		if string(in.Message.Body) == "bad" {
			return broker.Nack()
		}
		return broker.Pass()
	})
	fmt.Println(ch.PublishConfirm(ctx, job("good")))
	fmt.Println(ch.PublishConfirm(ctx, job("bad")))
	remove()
	fmt.Println(ch.PublishConfirm(ctx, job("bad")))
	// Output:
	// <nil>
	// amqp: the broker refused the message
	// <nil>
}

// A program that tries again is tested with a failure that passes.
func ExampleBroker_Next() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(2, wire.BasicPublishID, broker.Nack())
	for try := 1; ; try++ {
		if err := ch.PublishConfirm(ctx, job("important")); err == nil {
			fmt.Println("taken at try", try)
			return
		}
	}
	// Output: taken at try 3
}

func ExamplePass() {
	ctx, b, ch, end := setUp()
	defer end()
	b.On(0, func(in *broker.Incoming) broker.Action {
		fmt.Println(in.ProvidedName, in.Method.ID()) // looks, and does nothing
		return broker.Pass()
	})
	_, err := ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: "jobs"})
	check(err)
	// Output: worker queue.purge
}

// An answer of the test's own.
func ExampleReply() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(1, wire.QueueDeclareID, broker.Reply(&wire.QueueDeclareOk{Queue: "jobs", MessageCount: 1_000_000}))
	ok, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "jobs", Passive: true})
	check(err)
	fmt.Println(ok.MessageCount)
	// Output: 1000000
}

// A request that is never answered.
func ExampleDrop() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(1, wire.QueueDeleteID, broker.Drop())
	soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err := ch.QueueDelete(soon, &blocking.QueueDelete{Queue: "jobs"})
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

// A slow answer, by the broker's clock.
func ExampleDelay() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(1, wire.QueuePurgeID, broker.Delay(20*time.Millisecond))
	begin := time.Now()
	_, err := ch.QueuePurge(ctx, &blocking.QueuePurge{Queue: "jobs"})
	fmt.Println(time.Since(begin) >= 20*time.Millisecond, err)
	// Output: true <nil>
}

func ExampleCloseChannel() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(1, wire.BasicConsumeID, broker.CloseChannel(wire.AccessRefused, "ACCESS_REFUSED - not on Sundays"))
	for _, err := range ch.Consume(ctx, &blocking.Consume{Queue: "jobs"}) {
		fmt.Println(errors.Is(err, blocking.AccessRefused))
	}
	// Output: true
}

func ExampleCloseConnection() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(1, wire.BasicPublishID, broker.CloseConnection(wire.InternalError, "INTERNAL_ERROR - out of luck"))
	err := ch.PublishConfirm(ctx, job("unlucky"))
	fmt.Println(errors.Is(err, blocking.ErrUnknownOutcome), errors.Is(err, wire.InternalError))
	// Output: true true
}

// The connection is lost at a certain message.
func ExampleCut() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(1, wire.BasicPublishID, broker.Cut())
	err := ch.PublishConfirm(ctx, job("lost"))
	fmt.Println(errors.Is(err, blocking.ErrUnknownOutcome))
	// Output: true
}

func ExampleNack() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(1, wire.BasicPublishID, broker.Nack())
	fmt.Println(ch.PublishConfirm(ctx, job("refused")))
	// Output: amqp: the broker refused the message
}

// A message that arrives and is never confirmed.
func ExampleWithhold() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(1, wire.BasicPublishID, broker.Withhold())
	d, err := ch.PublishDeferred(ctx, job("unconfirmed"))
	check(err)
	check(b.WaitReady(ctx, "jobs", 1))
	check(ch.PublishConfirm(ctx, job("confirmed")))
	select {
	case <-d.Done():
		fmt.Println("confirmed")
	default:
		fmt.Println("still waiting")
	}
	// Output: still waiting
}

func ExampleReturn() {
	ctx, b, ch, end := setUp()
	defer end()
	b.Next(1, wire.BasicPublishID, broker.Return())
	err := ch.PublishConfirm(ctx, job("back"))
	fmt.Println(errors.Is(err, blocking.ErrUnroutable))
	// Output: true
}

// publishThree has three messages on their way, whose confirms the broker holds.
func publishThree(ctx context.Context, b *broker.Broker, ch *blocking.Channel) (*broker.HeldConfirms, []*blocking.Deferred) {
	held := b.HoldConfirms()
	sent := make([]*blocking.Deferred, 3)
	for i := range sent {
		d, err := ch.PublishDeferred(ctx, job("job"))
		check(err)
		sent[i] = d
	}
	check(held.Wait(ctx, len(sent)))
	return held, sent
}

// The broker has all messages; the client does not know yet.
func ExampleBroker_HoldConfirms() {
	ctx, b, ch, end := setUp()
	defer end()
	held, sent := publishThree(ctx, b, ch)
	fmt.Println(b.State().Queue("/", "jobs").Ready, "are there,", held.Len(), "confirms are not")
	held.Release()
	for _, d := range sent {
		check(d.Wait(ctx))
	}
	// Output: 3 are there, 3 confirms are not
}

// Confirms come in any order.
func ExampleHeldConfirms_ReleaseReversed() {
	ctx, b, ch, end := setUp()
	defer end()
	held, sent := publishThree(ctx, b, ch)
	held.ReleaseReversed()
	check(sent[0].Wait(ctx)) // whose confirm is the last
	printAcks(b)
	// Output:
	// 3 false
	// 2 false
	// 1 false
}

// One confirm stands for many messages.
func ExampleHeldConfirms_ReleaseAsOne() {
	ctx, b, ch, end := setUp()
	defer end()
	held, sent := publishThree(ctx, b, ch)
	held.ReleaseAsOne()
	for _, d := range sent {
		check(d.Wait(ctx))
	}
	printAcks(b)
	// Output: 3 true
}

func ExampleHeldConfirms_Discard() {
	ctx, b, ch, end := setUp()
	defer end()
	held, sent := publishThree(ctx, b, ch)
	held.Discard()
	check(ch.Conn().Close(ctx))
	fmt.Println(errors.Is(sent[0].Wait(ctx), blocking.ErrUnknownOutcome))
	// Output: true
}

func printAcks(b *broker.Broker) {
	for _, e := range b.Journal() {
		if m, ok := e.Decode().(*wire.BasicAck); ok {
			fmt.Println(m.DeliveryTag, m.Multiple)
		}
	}
}

// A resource alarm.
func ExampleBroker_Block() {
	ctx, b, _, end := setUp()
	defer end()
	told := make(chan string, 2)
	conn, err := blocking.Dial(ctx, b.URL(), blocking.WithEvents(func(e blocking.Event) {
		switch e := e.(type) {
		case blocking.Blocked:
			told <- "blocked: " + e.Reason
		case blocking.Unblocked:
			told <- "unblocked"
		}
	}))
	check(err)
	defer conn.Close(ctx)
	ch, err := conn.Channel(ctx)
	check(err)
	b.Block("low on disk")
	check(ch.Publish(ctx, job("the last one"))) // is taken
	fmt.Println(<-told)
	b.Unblock()
	fmt.Println(<-told)
	// Output:
	// blocked: low on disk
	// unblocked
}

// A consumer loses its queue, as when a node fails.
func ExampleBroker_CancelConsumers() {
	ctx, b, ch, end := setUp()
	defer end()
	ended := make(chan error)
	go func() {
		for _, err := range ch.Consume(ctx, &blocking.Consume{Queue: "jobs"}) {
			ended <- err
		}
	}()
	check(b.WaitConsumers(ctx, "jobs", 1))
	fmt.Println(b.CancelConsumers("jobs"), errors.Is(<-ended, blocking.ErrCanceled))
	// Output: 1 true
}

// An operator closes a connection.
func ExampleBroker_CloseConnection() {
	_, b, ch, end := setUp()
	defer end()
	check(b.CloseConnection(b.State().Connection("worker").Name, "maintenance"))
	<-ch.Conn().Done()
	fmt.Println(errors.Is(ch.Conn().Err(), wire.ConnectionForced))
	// Output: true
}
