package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/broker/management"
)

// servePage serves the broker's page until the server is closed.
func servePage(b *broker.Broker, address string) (*http.Server, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-management: %w", err)
	}
	s := &http.Server{Handler: management.New(b), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
		}
	}()
	fmt.Printf("http://%s/ is its page\n", dialable(ln.Addr().String()))
	return s, nil
}
