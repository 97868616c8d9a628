// Sink is a broker for benchmarks: see package bench/internal/sink.
//
//	go run ./sink -listen 127.0.0.1:5672
package main

import (
	"flag"
	"fmt"
	"log"
	"net"

	"github.com/haypile/haypile/bench/internal/sink"
)

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:0", "where to listen")
	flag.Parse()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("amqp://%s\n", ln.Addr())
	log.Fatal(sink.Serve(ln))
}
