package test

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/ioloop"
	"github.com/haypile/haypile/test/rabbitmq"
)

func TestMain(m *testing.M) {
	flag.Parse()
	switch *against {
	case "rabbitmq":
		rabbitmq.Main(m)
	case "embedded":
		os.Exit(mainEmbedded(m))
	default:
		fmt.Fprintf(os.Stderr, "no broker %q\n", *against)
		os.Exit(2)
	}
}

// adapter is what the tests run on. The test command runs them on each.
var adapter = flag.String("adapter", "stdnet", "what connections run on: "+strings.Join(slices.Sorted(maps.Keys(adapterLoops)), ", "))

// secure has every connection encrypted.
var secure = flag.Bool("tls", false, "use the broker's TLS listener")

var adapterLoops = map[string]func() (adapters.Loop, error){
	"stdnet": func() (adapters.Loop, error) { return stdnet.New(), nil },
	"gnet":   func() (adapters.Loop, error) { return gnet.New() },
	"evio":   func() (adapters.Loop, error) { return evio.New() },
	"ioloop": func() (adapters.Loop, error) {
		l, err := ioloop.New()
		if err != nil {
			return nil, err
		}
		go func() {
			if err := l.Start(); err != nil && !errors.Is(err, ioloop.ErrClosed) {
				panic(err)
			}
		}()
		return l, nil
	},
}

// createLoop makes a loop of the adapter.
func createLoop() (adapters.Loop, error) {
	create := adapterLoops[*adapter]
	if create == nil {
		return nil, fmt.Errorf("no adapter %q", *adapter)
	}
	return create()
}

// newLoop is a loop of the adapter, closed at the end of the test.
func newLoop(t *testing.T) adapters.Loop {
	t.Helper()
	l, err := createLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		<-l.Done()
	})
	return l
}

// bound is generous: nothing here should ever take so long.
const bound = 5 * time.Minute

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	return ctx
}

// dial connects to the shared broker and closes at the end of the test, which
// fails when a goroutine of the library is left then.
func dial(t *testing.T, query string, opts ...blocking.Option) *blocking.Conn {
	t.Helper()
	return dialURL(t, with(brokerURL(t), query), opts...)
}

// brokerURL is the shared broker's.
func brokerURL(t *testing.T) string {
	t.Helper()
	if *secure {
		return secureURL(t)
	}
	return plainURL(t)
}

// with adds arguments to the query of a URI.
func with(uri, arguments string) string {
	if arguments == "" {
		return uri
	}
	if strings.Contains(uri, "?") {
		return uri + "&" + arguments
	}
	return uri + "?" + arguments
}

func dialURL(t *testing.T, url string, opts ...blocking.Option) *blocking.Conn {
	t.Helper()
	checkLeaks(t)
	opts = append([]blocking.Option{blocking.WithLoop(newLoop(t)), blocking.WithRecovery(nil), blocking.WithParams(patient)}, opts...)
	conn, err := blocking.Dial(testContext(t), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		conn.Close(ctx) // how it ends is the test's business
	})
	return conn
}

// patience is how long a handshake may take on a busy machine.
const patience = time.Minute

func patient(p *driver.Params) {
	p.DialTimeout, p.StackTimeout, p.Client.HandshakeTimeout = patience, patience, patience
}

func channel(t *testing.T, conn *blocking.Conn) *blocking.Channel {
	t.Helper()
	ch, err := conn.Channel(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// queue declares a queue that goes away with the connection.
func queue(t *testing.T, ch *blocking.Channel) string {
	t.Helper()
	return queueWith(t, ch, nil)
}

// queueWith is queue with arguments.
func queueWith(t *testing.T, ch *blocking.Channel, args blocking.Table) string {
	t.Helper()
	q, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{Exclusive: true, Arguments: args})
	if err != nil {
		t.Fatal(err)
	}
	return q.Queue
}

// unique is a name that no other test of this process or another one has.
func unique(t *testing.T) string { return t.Name() + "-" + rand.Text() }

// publish sends messages and waits until the broker has taken each.
func publish(t *testing.T, ch *blocking.Channel, messages ...*blocking.Publishing) {
	t.Helper()
	for _, p := range messages {
		if err := ch.PublishConfirm(testContext(t), p); err != nil {
			t.Fatal(err)
		}
	}
}

// take waits for a message in the queue.
func take(t *testing.T, ch *blocking.Channel, q string) (d *blocking.Delivery) {
	t.Helper()
	eventually(t, "message in "+q, func() bool {
		var err error
		if d, err = ch.Get(testContext(t), &blocking.Get{Queue: q}); err != nil {
			t.Fatal(err)
		}
		return d != nil
	})
	return d
}

// fetch is take, and acks.
func fetch(t *testing.T, ch *blocking.Channel, q string) *blocking.Delivery {
	t.Helper()
	d := take(t, ch, q)
	if err := d.Ack(); err != nil {
		t.Fatal(err)
	}
	return d
}

// ready is how many messages the queue has to give.
func ready(t *testing.T, ch *blocking.Channel, q string) int {
	t.Helper()
	ok, err := ch.QueueDeclare(testContext(t), &blocking.QueueDeclare{Queue: q, Passive: true})
	if err != nil {
		t.Fatal(err)
	}
	return int(ok.MessageCount)
}

var leakChecked sync.Map // the tests that check for leaks at their end

// checkLeaks fails the test when goroutines of the library outlive it and all
// its cleaning up. The first call of a test counts.
func checkLeaks(t *testing.T) {
	t.Helper()
	if _, already := leakChecked.LoadOrStore(t, true); already {
		return
	}
	t.Cleanup(func() {
		var left []string
		for deadline := time.Now().Add(bound); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if left = servers.others(libraryGoroutines()); len(left) == 0 {
				return
			}
		}
		t.Errorf("goroutines left:\n%s", strings.Join(left, "\n\n"))
	})
}

// libraryGoroutines are the stacks that the library started.
func libraryGoroutines() (found []string) {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "created by github.com/haypile/haypile/adapters") || strings.Contains(g, "created by github.com/haypile/haypile/ioloop") {
			found = append(found, g)
		}
	}
	return found
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(bound); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", bound, what)
		}
	}
}

// want fails the test unless the error's text has all the parts.
func want(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("error %q does not have %q", err, part)
		}
	}
}
