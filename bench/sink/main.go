// Sink is a broker for benchmarks: see package bench/internal/sink.
//
//	go run ./sink -listen 127.0.0.1:5672
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"

	"github.com/haypile/haypile/bench/internal/files"
	"github.com/haypile/haypile/bench/internal/sink"
)

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:0", "where to listen")
	secure := flag.Bool("tls", false, "talk TLS, with a certificate of its own making")
	flag.Parse()
	files.Raise()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	scheme := "amqp"
	if *secure {
		config, err := sink.SelfSigned()
		if err != nil {
			log.Fatal(err)
		}
		ln, scheme = tls.NewListener(ln, config), "amqps"
	}
	fmt.Printf("%s://%s\n", scheme, ln.Addr())
	log.Fatal(sink.Serve(ln))
}
