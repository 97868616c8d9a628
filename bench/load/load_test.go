package main

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/bench/internal/loops"
)

// TestMain is the program where a test starts a part of it.
func TestMain(m *testing.M) {
	if os.Getenv(partVariable) != "" {
		main()
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // or each part lingers for a second
	os.Exit(m.Run())
}

// run makes a measurement against a sink.
func run(t *testing.T, flags string) (*result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return whole(ctx, parse(strings.Fields(flags)))
}

func TestEveryPeerDoesEveryMode(t *testing.T) {
	peers := []string{"-peer floor", "-peer floor -api callback", "-peer amqp091"}
	for _, adapter := range loops.Names {
		peers = append(peers, "-adapter "+adapter, "-api callback -adapter "+adapter)
	}
	for _, peer := range peers {
		for _, mode := range modes {
			if strings.Contains(peer, "callback -adapter") && mode == modeParallel {
				continue // a loop publishes one at a time
			}
			t.Run(strings.ReplaceAll(peer+" "+mode, "-", ""), func(t *testing.T) {
				n := "300"
				if mode == modeIdle {
					n = "5"
				}
				if _, err := run(t, peer+" -hold 1ms -mode "+mode+" -n "+n); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestOptionsWork(t *testing.T) {
	for name, flags := range map[string]string{
		"haypile decodes properties":       "-mode consume-props -read -n 100",
		"callbacks decode properties":      "-api callback -mode consume-props -read -n 100",
		"a confirm at a time by goroutine": "-mode publish-confirm -window 1 -n 50",
		"a confirm at a time by callback":  "-api callback -mode publish-confirm -window 1 -n 50",
		"confirms that are held back":      "-mode publish-confirm -window 50 -vhost hold50 -n 220",
		"callbacks' confirms held back":    "-api callback -mode publish-confirm -window 50 -vhost hold50 -n 220",
		"the floor's confirms held back":   "-peer floor -mode publish-confirm -window 50 -vhost hold50 -n 220",
		"many consumers":                   "-mode consume-auto -consumers 20 -n 999",
		"many consumers by callback":       "-api callback -mode consume-auto -consumers 20 -n 999",
		"a rest to acknowledge":            "-mode consume-multi -n 250",
		"many channels":                    "-mode publish -channels 2000 -n 5000",
		"many channels by callback":        "-api callback -mode publish -channels 2000 -n 5000",
		"many connections":                 "-mode consume-ack -conns 20 -n 999",
		"many connections by callback":     "-api callback -adapter gnet -mode consume-ack -conns 20 -n 999",
		"an empty body":                    "-mode pingpong -size 0 -n 20",
		"bodies of many frames":            "-mode pingpong -size 1000000 -n 20",
		"TLS":                              "-tls -mode consume-ack -n 500",
		"TLS by amqp091":                   "-peer amqp091 -tls -mode consume-ack -n 500",
		"TLS by the floor":                 "-peer floor -tls -mode consume-ack -n 500",
		"a latency budget":                 "-budget 1ms -mode consume-ack -n 500",
		"bodies that share memory":         "-reuse -mode consume-ack -size 70000 -n 500",
		"little room for output":           "-buffered 4096 -mode publish -n 500",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := run(t, flags); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEveryPeerGivesUpInTime(t *testing.T) {
	for _, peer := range []string{"-peer floor", "-peer amqp091", "-api blocking", "-api callback"} {
		t.Run(strings.ReplaceAll(peer, "-", ""), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			j := parse(strings.Fields(peer + " -mode rpc -n 10000000"))
			ended := make(chan error, 1)
			go func() {
				_, err := whole(ctx, j)
				ended <- err
			}()
			select {
			case err := <-ended:
				if err == nil {
					t.Error("it was done")
				}
			case <-time.After(time.Minute):
				t.Error("it goes on")
			}
		})
	}
}

func TestTheURLSaysWhetherTLSIsTalked(t *testing.T) {
	for flags, want := range map[string]string{
		"-url amqp://u:p@host/v":      "amqp://u:p@host/v host:5672",
		"-url amqps://host":           "amqps://host host:5671",
		"-url amqp://host -tls":       "amqps://host host:5671",
		"-url amqps://[::1]:99/ -tls": "amqps://[::1]:99/ [::1]:99",
	} {
		j := parse(strings.Fields(flags))
		if err := j.locate(); err != nil {
			t.Fatal(err)
		}
		address, _, err := j.address()
		if got := j.url + " " + address; err != nil || got != want || j.tls != strings.HasPrefix(want, "amqps") {
			t.Errorf("%s: %s, TLS %v, %v", flags, got, j.tls, err)
		}
	}
}

func TestRoundTripsHaveLatencies(t *testing.T) {
	r, err := run(t, "-mode rpc -n 100")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.trips) != 100 || r.trips[0] <= 0 {
		t.Errorf("%d round trips, the shortest of %v", len(r.trips), r.trips[0])
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for _, flags := range []string{"-peer nobody", "-mode nothing", "-n 0", "-window 0", "-api callback -mode publish-parallel", "-mode consume-multi -window 10", "-mode consume-multi -reuse", "-mode consume-ack -window 65536", "-mode consume-auto -consumers 20 -n 10", "-conns 20 -n 10", "-mode idle -hold 0s -n 1"} {
		t.Run(flags, func(t *testing.T) {
			if _, err := run(t, flags); err == nil {
				t.Error("it was taken")
			}
		})
	}
}
