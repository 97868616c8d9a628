package stdnet_test

import (
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/stdnet"
)

func TestLoop(t *testing.T) {
	adaptertest.Run(t, func(*testing.T) adapters.Loop { return stdnet.New() }, adaptertest.WithPipes())
}

func TestAttachOfNothingIsAnError(t *testing.T) {
	loop := stdnet.New()
	if err := loop.Attach(nil, nil); err == nil {
		t.Error("a nil connection is attached")
	}
	loop.Close()
	<-loop.Done()
}
