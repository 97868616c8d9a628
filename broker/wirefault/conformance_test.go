package wirefault_test

import (
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/stdnet"
	"github.com/haypile/haypile/broker/wirefault"
)

// A loop without faults is as good as the one inside, and one that splits what
// passes breaks no rule either.
func TestConformance(t *testing.T) {
	for name, faults := range map[string]func(c *wirefault.Conn){
		"no fault": nil,
		"split": func(c *wirefault.Conn) {
			c.Split(wirefault.In, 10_000)
			c.Split(wirefault.Out, 10_000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			adaptertest.Run(t, func(*testing.T) adapters.Loop {
				loop := wirefault.New(stdnet.New())
				loop.OnConnect(faults)
				return loop
			}, adaptertest.WithPipes())
		})
	}
}
