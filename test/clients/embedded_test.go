package clients

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/internal/testcert"
	"github.com/haypile/haypile/ioloop"
)

// embedded starts this project's broker on a loop.
func embedded(profile broker.Profile, newLoop func(t *testing.T) (adapters.Loop, error)) func(t *testing.T) *target {
	return func(t *testing.T) *target {
		loop, err := newLoop(t)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			loop.Close()
			<-loop.Done()
		})
		return startEmbedded(t, broker.WithProfile(profile), broker.WithLoop(loop),
			broker.WithServer(func(c *core.ServerConfig) { c.HandshakeTimeout = bound }))
	}
}

func newStdnet(*testing.T) (adapters.Loop, error) { return stdnet.New(), nil }

func newGnet(*testing.T) (adapters.Loop, error) { return gnet.New() }

func newEvio(*testing.T) (adapters.Loop, error) { return evio.New() }

func newIOLoop(t *testing.T) (adapters.Loop, error) {
	l, err := ioloop.New()
	if err != nil {
		return nil, err
	}
	go func() {
		if err := l.Start(); err != nil && !errors.Is(err, ioloop.ErrClosed) {
			t.Error(err)
		}
	}()
	return l, nil
}

func startEmbedded(t *testing.T, opts ...broker.Option) *target {
	b, err := broker.Start(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		if err := b.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	authority, dir := testcert.Must(t), t.TempDir()
	if err := authority.Files(dir, "server"); err != nil {
		t.Fatal(err)
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Serve(secure, &tls.Config{Certificates: []tls.Certificate{authority.Pair(t, "server")}}); err != nil {
		t.Fatal(err)
	}
	a := &alarm{set: func(_ *testing.T, low bool) {
		if low {
			b.Block("low on memory")
		} else {
			b.Unblock()
		}
	}}
	return &target{
		port: b.Addr().(*net.TCPAddr).Port, tlsPort: secure.Addr().(*net.TCPAddr).Port, authority: filepath.Join(dir, "ca.pem"),
		block: a.begin, unblock: a.end,
		restart: func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), bound)
			defer cancel()
			if err := b.Restart(ctx); err != nil {
				t.Error(err)
			}
		},
		left: func(*testing.T) string { return left(b) },
	}
}

// left names the connections and queues that the broker has.
func left(b *broker.Broker) string {
	var names []string
	state := b.State()
	for _, c := range state.Connections {
		names = append(names, c.Name)
	}
	for _, q := range state.Queues {
		names = append(names, q.Name)
	}
	return strings.Join(names, "\n")
}
