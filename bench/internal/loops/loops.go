// Package loops makes the loops that benchmarks compare.
package loops

import (
	"fmt"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/evio"
	"github.com/haypile/haypile/adapters/gnet"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/ioloop"
)

// Names are the adapters that New knows.
var Names = []string{"stdnet", "ioloop", "gnet", "evio"}

// New is a loop that runs.
func New(adapter string) (adapters.Loop, error) {
	switch adapter {
	case "stdnet":
		return stdnet.New(), nil
	case "gnet":
		return gnet.New()
	case "evio":
		return evio.New()
	case "ioloop":
		l, err := ioloop.New()
		if err != nil {
			return nil, err
		}
		go l.Start()
		return l, nil
	}
	return nil, fmt.Errorf("no adapter %q", adapter)
}
