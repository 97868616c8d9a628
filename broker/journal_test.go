package broker_test

import (
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core/wire"
)

func TestTheJournalHasWhatWentOverTheWire(t *testing.T) {
	b := broker.RunT(t)
	ch := openChannel(t, b, blocking.WithName("tester"))
	makeQueues(t, ch, "q")
	mustPublish(t, ch, "q", "hello")
	var got []string
	for _, e := range b.Journal() {
		if e.Method.Class() == wire.ClassConnection && e.Method != wire.ConnectionStartOkID {
			continue
		}
		line := e.Method.String()
		if e.Method == 0 {
			_, line, _ = strings.Cut(e.String(), " 1 <- ")
		}
		got = append(got, line)
		if e.Connection == "" {
			t.Errorf("%s is of no connection", &e)
		}
		if strings.Contains(e.String(), "guest\x00guest") {
			t.Errorf("%s shows the password", &e)
		}
	}
	want := "connection.start-ok channel.open channel.open-ok queue.declare queue.declare-ok confirm.select confirm.select-ok basic.publish content of 5 bytes basic.ack"
	if all := strings.Join(got, " "); all != want {
		t.Errorf("the journal has\n%s\nand not\n%s", all, want)
	}
}

func TestTheJournalHasArguments(t *testing.T) {
	b := broker.RunT(t)
	makeQueues(t, openChannel(t, b), "q")
	for _, e := range b.Journal() {
		if m, ok := e.Decode().(*wire.QueueDeclare); ok {
			if m.Queue != "q" || !m.Durable || e.Sent || e.Channel != 1 || e.Time.IsZero() {
				t.Errorf("%+v: %+v", e, m)
			}
			return
		}
	}
	t.Error("queue.declare is not in the journal")
}

func TestTheJournalForgetsTheOldest(t *testing.T) {
	b := broker.RunT(t, broker.WithJournal(3))
	ch := openChannel(t, b)
	makeQueues(t, ch, "a", "b", "c")
	got := b.Journal()
	if len(got) != 3 || got[0].Method != wire.QueueDeclareOkID || got[2].Method != wire.QueueDeclareOkID || got[1].Decode().(*wire.QueueDeclare).Queue != "c" {
		t.Errorf("it has %v", got)
	}
}

func TestThereIsNoJournalUnlessItIsWanted(t *testing.T) {
	b := broker.RunT(t, broker.WithJournal(0))
	openChannel(t, b)
	if got := b.Journal(); len(got) != 0 {
		t.Errorf("it has %v", got)
	}
}

func TestTheLinesOfTheJournalAreShort(t *testing.T) {
	b := broker.RunT(t)
	ctx := testContext(t)
	ch := openChannel(t, b)
	if _, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "two words", Durable: true, Arguments: blocking.Table{"x-max-length": int32(5)}}); err != nil {
		t.Fatal(err)
	}
	mustPublish(t, ch, "two words", "job")
	if err := ch.Conn().Close(ctx); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range b.Journal() {
		line := e.String()
		if _, after, ok := strings.Cut(line, " <- "); ok {
			lines = append(lines, after)
		}
		if len(line) > 250 {
			t.Errorf("it is long: %s", line)
		}
	}
	all := strings.Join(lines, "\n")
	for _, want := range []string{
		`queue.declare {Queue:"two words" Durable:true Arguments:[x-max-length:5]}`,
		"confirm.select\n",
		`basic.publish {RoutingKey:"two words"}`,
		`connection.close {ReplyCode:200 `,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("there is no %s in\n%s", want, all)
		}
	}
}
