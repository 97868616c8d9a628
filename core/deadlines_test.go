package core_test

import (
	"errors"
	"testing"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

const minute = time.Minute // the heartbeat interval of the tests

func TestHeartbeatIsSentAfterHalfAnIntervalOfNotWriting(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.at(29 * time.Second).sent()
	b.at(30 * time.Second).sent("0 heartbeat")
	b.at(50 * time.Second)
	ok(t, ch.Ack(1, false))
	b.sent("1 basic.ack 1 false") // any write counts
	b.feed([]byte(wire.HeartbeatFrame))
	b.at(79 * time.Second).sent()
	b.at(80 * time.Second).sent("0 heartbeat")
	if next := b.c.NextDeadline(); !next.Equal(epoch.Add(110 * time.Second)) {
		t.Errorf("next deadline is at %s", next.Sub(epoch))
	}
}

// So that those of many connections can leave in one pass.
func TestHeartbeatIsSentByATickThatIsALittleEarly(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	early := 30*time.Second - core.HeartbeatLead
	b.at(early - 1).sent()
	if next := b.c.NextDeadline(); !next.Equal(epoch.Add(30 * time.Second)) {
		t.Errorf("next deadline is at %s", next.Sub(epoch))
	}
	b.at(early).sent("0 heartbeat")
	if next := b.c.NextDeadline(); !next.Equal(epoch.Add(early + 30*time.Second)) {
		t.Errorf("next deadline is at %s", next.Sub(epoch))
	}
	b.at(30 * time.Second).sent()
}

func TestHeartbeatsDoNotPileUpBehindABlockedTransport(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	ok(t, ch.Ack(1, false))
	before := b.c.Buffered()
	for i := range 10 {
		now := epoch.Add(time.Duration(i+1) * 40 * time.Second)
		b.c.Feed([]byte(wire.HeartbeatFrame), now)
		b.c.Tick(now)
	}
	if b.c.Buffered() != before || !b.c.IsOpen() {
		t.Errorf("%d bytes wait, open %v", b.c.Buffered(), b.c.IsOpen())
	}
}

func TestSilentPeerIsGivenUp(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	b.channel()
	b.now = epoch.Add(20 * time.Second)
	b.c.Feed([]byte{wire.HeartbeatFrame[0]}, b.now) // a part of a frame counts
	b.at(84 * time.Second)
	b.told()
	if !b.c.IsOpen() {
		t.Fatal("given up too early")
	}
	b.in = nil
	b.at(85 * time.Second)
	const why = "amqp: rabbit:5672: no sign of life from the peer"
	b.told("1 closed: "+why, "closed: "+why)
	b.sent() // nobody is there to hear a close
	if !errors.Is(b.c.Err(), core.ErrHeartbeat) || !b.c.Finished() {
		t.Errorf("ended with %v", b.c.Err())
	}
}

func TestLateTickGrantsOneMoreInterval(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	b.at(10 * minute) // the process was stopped
	if !b.c.IsOpen() {
		t.Fatal("judged before reading")
	}
	b.at(11*minute - time.Second)
	if !b.c.IsOpen() {
		t.Fatal("less than one more interval was granted")
	}
	b.at(11 * minute)
	if !errors.Is(b.c.Err(), core.ErrHeartbeat) {
		t.Errorf("after the one more: %v", b.c.Err())
	}
	b = opened(t, core.ClientConfig{})
	b.at(10 * minute)
	b.feed([]byte(wire.HeartbeatFrame))
	b.at(20 * minute)
	if !b.c.IsOpen() {
		t.Error("what was heard does not count")
	}
	b.at(30 * minute)
	if b.c.IsOpen() {
		t.Error("a second one was granted for the same silence")
	}
}

func TestWithoutHeartbeatsNothingIsDue(t *testing.T) {
	b := opened(t, core.ClientConfig{Heartbeat: core.Off})
	if at := b.c.NextDeadline(); !at.IsZero() {
		t.Errorf("next deadline is at %s", at.Sub(epoch))
	}
	b.at(1000 * time.Hour).sent()
	if !b.c.IsOpen() {
		t.Error("it ended")
	}
}

func TestPausedReadingSuspendsTheReceiveDeadline(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	b.c.SetReading(false, b.now)
	b.at(10 * minute)
	b.c.SetReading(false, b.now)
	b.c.SetReading(true, b.now)
	b.at(11*minute + 4*time.Second)
	b.c.SetReading(true, b.now) // which it did all the time
	if !b.c.IsOpen() {
		t.Fatal("given up although nobody read")
	}
	b.at(11*minute + 5*time.Second)
	if !errors.Is(b.c.Err(), core.ErrHeartbeat) {
		t.Errorf("ended with %v", b.c.Err())
	}
}

func TestHandshakeHasADeadline(t *testing.T) {
	b := newBench(t, core.ClientConfig{HandshakeTimeout: 3 * time.Second})
	ok(t, b.c.Start(b.now))
	b.method(0, start())
	b.at(3*time.Second - 1).told()
	b.at(3 * time.Second)
	b.told("closed: amqp: rabbit:5672: waiting for connection.tune (authentication): handshake timed out")
	if !errors.Is(b.c.Err(), core.ErrHandshakeTimeout) || !b.c.Finished() {
		t.Errorf("ended with %v", b.c.Err())
	}
	b = opened(t, core.ClientConfig{HandshakeTimeout: 3 * time.Second, Heartbeat: core.Off})
	b.at(minute)
	if !b.c.IsOpen() {
		t.Error("the deadline outlived the handshake")
	}
}

func TestUnansweredCloseTimesOut(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.now = epoch.Add(time.Hour) // an idle hour in which nobody called
	ok(t, b.c.Close(0, ""))
	if at := b.c.NextDeadline(); at.After(b.now) {
		t.Errorf("next deadline is at %s", at.Sub(epoch))
	}
	b.c.Feed([]byte(wire.HeartbeatFrame), b.now)
	b.at(time.Hour + 5*time.Second - 1).told()
	b.at(time.Hour + 5*time.Second)
	const why = "amqp: rabbit:5672: close timed out"
	b.told("1 closed: "+why, "closed: "+why)
	if !errors.Is(b.c.Err(), core.ErrCloseTimeout) || !b.c.Finished() || ch.IsOpen() {
		t.Errorf("ended with %v", b.c.Err())
	}
}

func TestUnreadCloseOkTimesOut(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	b.c.Feed(frames(t, 0, &wire.ConnectionClose{ReplyCode: 320}), b.now)
	if b.c.Finished() || b.c.Buffered() == 0 {
		t.Fatal("close-ok is not there")
	}
	b.c.Tick(epoch.Add(5 * time.Second))
	if !b.c.Finished() || !errors.Is(b.c.Err(), wire.ConnectionForced) {
		t.Errorf("finished %v, %v", b.c.Finished(), b.c.Err())
	}
}

func TestUnansweredChannelClosesTimeOutInOrder(t *testing.T) {
	b := opened(t, core.ClientConfig{Heartbeat: core.Off})
	first, second, third := b.channel(), b.channel(), b.channel()
	ok(t, first.Close(0, ""))
	b.at(0)
	ok(t, second.Close(0, ""))
	ok(t, third.Close(0, ""))
	b.at(2 * time.Second)
	b.method(2, &wire.ChannelCloseOk{})
	b.told("2 closed: <nil>")
	b.at(5 * time.Second)
	b.told("1 closed: amqp: rabbit:5672: close timed out")
	b.at(7 * time.Second)
	b.told("3 closed: amqp: rabbit:5672: close timed out")
	if !errors.Is(third.Err(), core.ErrCloseTimeout) {
		t.Errorf("ended with %v", third.Err())
	}
	taken, err := b.c.OpenChannel(nil)
	if err != nil || taken.Number() != 2 {
		t.Fatalf("opened %v, %v: numbers 1 and 3 wait for their close-ok", taken, err)
	}
	b.method(1, &wire.ChannelCloseOk{})
	if ch, err := b.c.OpenChannel(nil); err != nil || ch.Number() != 1 {
		t.Errorf("opened %v, %v: close-ok came late, but it came", ch, err)
	}
	b.told()
	b.c.Lost(nil, b.now) // number 3 still waits, and has been told
	b.told("closed: amqp: rabbit:5672: the peer closed the transport")
}

func TestAChannelThatWeFailedSaysWhyAlsoWhenTheAnswerDoesNotCome(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	b.method(1, &wire.BasicDeliver{ConsumerTag: "stranger"})
	b.at(5 * time.Second)
	if len(b.log) != 1 || !errors.Is(ch.Err(), wire.NotFound) {
		t.Errorf("told %q, ended with %v", b.log, ch.Err())
	}
}

func TestCloseOutlivesTheBlockedTimeout(t *testing.T) {
	b := opened(t, core.ClientConfig{BlockedTimeout: 3 * time.Second})
	b.method(0, &wire.ConnectionBlocked{})
	b.at(2 * time.Second)
	ok(t, b.c.Close(0, ""))
	b.at(4 * time.Second)
	b.method(0, &wire.ConnectionCloseOk{})
	b.told("blocked true ", "closed: <nil>")
}

// A heartbeat is a moment to give memory back, of which nothing that is under way
// may notice.
func TestHeartbeatsBetweenThePiecesOfAMessageHarmNothing(t *testing.T) {
	raw, err := (&wire.Properties{MessageID: "id"}).Encode()
	ok(t, err)
	b := opened(t, core.ClientConfig{})
	ch := b.channel()
	ok(t, ch.Consume(&wire.BasicConsume{ConsumerTag: "c"}, func(d *core.Delivery) {
		id, _ := d.Properties.MessageID()
		b.note("%s %s %s %q", d.Exchange, d.RoutingKey, id, d.Body)
	}, nil))
	ok(t, ch.Get(&wire.BasicGet{}, func(d *core.Delivery, err error) { b.note("got %q, %v", d.Body, err) }))
	_, err = ch.Publish(&core.Publishing{RoutingKey: "k", RawProperties: raw})
	ok(t, err)
	input := frames(t, 1, &wire.BasicConsumeOk{ConsumerTag: "c"}, &wire.BasicGetOk{}, "body", &wire.BasicDeliver{ConsumerTag: "c", Exchange: "e", RoutingKey: "k"})
	input = wire.AppendHeaderFrame(input, 1, wire.ClassBasic, 6, raw)
	input = wire.AppendBody(input, 1, []byte("abcdef"), 11)
	b.received()
	for i := range input {
		b.feed(input[i : i+1])
		b.at(time.Duration(i+1) * minute / 2).sent("0 heartbeat")
	}
	b.told(`got "body", <nil>`, `e k id "abcdef"`)
	_, err = ch.Publish(&core.Publishing{RoutingKey: "k", RawProperties: raw})
	ok(t, err)
	b.sent("1 basic.publish", "1 header 0")
}

func TestBlockedTimeoutRunsFromTheFirstBlocked(t *testing.T) {
	b := opened(t, core.ClientConfig{BlockedTimeout: 10 * time.Second, Heartbeat: core.Off})
	blocked := frames(t, 0, &wire.ConnectionBlocked{Reason: "r"})
	b.feed(blocked)
	b.at(5 * time.Second)
	b.feed(frames(t, 0, &wire.ConnectionUnblocked{}))
	b.at(8 * time.Second).feed(blocked)
	b.at(15 * time.Second).feed(blocked)
	b.at(18*time.Second - 1)
	if !b.c.IsOpen() {
		t.Fatalf("ended early with %v", b.c.Err())
	}
	b.at(18 * time.Second)
	if !errors.Is(b.c.Err(), core.ErrBlockedTimeout) {
		t.Errorf("ended with %v", b.c.Err())
	}
}

func TestTimeThatGoesBackIsHarmless(t *testing.T) {
	b := opened(t, core.ClientConfig{})
	b.at(10 * time.Second)
	b.at(-time.Hour).told()
	b.at(20 * time.Second)
	if !b.c.IsOpen() {
		t.Errorf("ended with %v", b.c.Err())
	}
}
