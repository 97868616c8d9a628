package test

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters"
	amqpbroker "github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/internal/testcert"
)

// notEmbedded are the tests that the embedded broker cannot be put to, and why.
var notEmbedded = map[string]string{
	"TestStreamIsReadFromAnyOffsetAgainAndAgain":                                                         "it has no streams",
	"TestAStreamIsReadOnWhereItsConsumerWas":                                                             "it has no streams",
	"TestSteeredBroker/authenticates by client certificate":                                              "it does not offer EXTERNAL",
	"TestSteeredBroker/authenticates by password and challenge/challenge-response":                       "RABBIT-CR-DEMO is RabbitMQ's own",
	"TestSteeredBroker/authenticates by password and challenge/challenge-response with a wrong password": "RABBIT-CR-DEMO is RabbitMQ's own",
}

// leaveOut has the tests of notEmbedded passed over, besides those of -skip.
func leaveOut() error {
	skip := flag.Lookup("test.skip").Value
	patterns := slices.DeleteFunc([]string{skip.String()}, func(p string) bool { return p == "" })
	for _, name := range slices.Sorted(maps.Keys(notEmbedded)) {
		levels := strings.Split(strings.ReplaceAll(name, " ", "_"), "/")
		for i, level := range levels {
			levels[i] = "^" + regexp.QuoteMeta(level) + "$"
		}
		patterns = append(patterns, strings.Join(levels, "/"))
	}
	return skip.Set(strings.Join(patterns, "|"))
}

// embedded is a broker in this process. It runs on the adapter that the tests run
// on, which has a loop of its own for it.
type embedded struct {
	*amqpbroker.Broker
	loop adapters.Loop
	dir  string // of certificates
}

// newEmbedded starts a broker. Its goroutines are none of those that tests may not
// leave.
func newEmbedded(dir string) (*embedded, error) {
	authority, err := testcert.New()
	if err != nil {
		return nil, err
	}
	if err := authority.Files(dir, "server"); err != nil {
		return nil, err
	}
	e := &embedded{dir: dir}
	certificate, err := tls.LoadX509KeyPair(e.path("server.pem"), e.path("server.key"))
	if err != nil {
		return nil, err
	}
	err = servers.spare(func() error {
		if e.loop, err = createLoop(); err != nil {
			return err
		}
		e.Broker, err = amqpbroker.Start(amqpbroker.WithProfile(amqpbroker.RabbitMQ3), amqpbroker.WithLoop(e.loop),
			amqpbroker.WithServer(func(c *core.ServerConfig) { c.HandshakeTimeout = patience }),
			amqpbroker.WithTLS("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}}))
		return err
	})
	return e, err
}

func (e *embedded) path(name string) string { return filepath.Join(e.dir, name) }

func (e *embedded) stop(ctx context.Context) error {
	err := e.Stop(ctx)
	e.loop.Close()
	<-e.loop.Done()
	return err
}

// TLSURL is as rabbitmq.Node has it.
func (e *embedded) TLSURL() string {
	for _, l := range e.State().Listeners {
		if l.TLS {
			return fmt.Sprintf("amqps://guest:guest@%s/?cacertfile=%s", l.Address, url.QueryEscape(e.path("ca.pem")))
		}
	}
	return ""
}

func (e *embedded) alarm(_ *testing.T, on bool) {
	if on {
		e.Block("low on memory")
	} else {
		e.Unblock()
	}
}

func (e *embedded) closeConnections(_ *testing.T, reason string) {
	for _, c := range e.State().Connections {
		_ = e.CloseConnection(c.Name, reason) // an error says that it has ended by itself
	}
}

func (e *embedded) lateAcks(*testing.T) (pass, restore func()) {
	return func() { e.Advance(31 * time.Minute) }, func() {}
}

func (e *embedded) kill(*testing.T) { e.loop.Close() }

func (e *embedded) flush(*testing.T) {}

func (e *embedded) restart(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if err := servers.spare(func() error { return e.Restart(ctx) }); err != nil {
		t.Fatal(err)
	}
}

// startEmbedded starts a broker for one test.
func startEmbedded(t *testing.T) *embedded {
	t.Helper()
	e, err := newEmbedded(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if err := e.stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return e
}

// sharedBroker is the one for tests that steer nothing.
var sharedBroker struct {
	once sync.Once
	dir  string
	*embedded
	err error
}

func sharedEmbedded(t *testing.T) *embedded {
	t.Helper()
	s := &sharedBroker
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "embedded-broker-"); s.err == nil {
			s.embedded, s.err = newEmbedded(s.dir)
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.embedded
}

// mainEmbedded runs the tests that the embedded broker can be put to, for TestMain.
func mainEmbedded(m *testing.M) (code int) {
	if err := leaveOut(); err != nil {
		panic(err)
	}
	code = m.Run()
	s := &sharedBroker
	if s.embedded != nil {
		if err := s.stop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
	return code
}

// spared are goroutines that live as long as a broker in this process.
type spared struct {
	mu  sync.Mutex
	ids map[string]bool
}

var servers = spared{ids: make(map[string]bool)}

// spare does what starts such goroutines.
func (s *spared) spare(start func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := make(map[string]bool)
	for _, g := range libraryGoroutines() {
		before[id(g)] = true
	}
	err := start()
	for _, g := range libraryGoroutines() {
		if !before[id(g)] {
			s.ids[id(g)] = true
		}
	}
	return err
}

// others are the goroutines that may have to end with a test.
func (s *spared) others(stacks []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(stacks, func(g string) bool { return s.ids[id(g)] })
}

// id is such as "goroutine 7", which no other one of the process ever has.
func id(stack string) string {
	name, _, _ := strings.Cut(stack, " [")
	return name
}
