package main

import (
	"fmt"
	"log"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/ioloop"
)

func newLoop(adapter string) (adapters.Loop, error) {
	switch adapter {
	case "stdnet":
		return stdnet.New(), nil
	case "gnet":
		return gnet.New()
	case "evio":
		return evio.New()
	case "ioloop":
		loop, err := ioloop.New()
		if err != nil {
			return nil, err
		}
		go func() {
			if err := loop.Start(); err != nil {
				log.Print(err)
			}
		}()
		return loop, nil
	}
	return nil, fmt.Errorf("no adapter %q", adapter)
}
