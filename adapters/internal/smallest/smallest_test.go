package smallest_test

import (
	"testing"

	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/adaptertest"
	"github.com/haypile/haypile/adapters/internal/smallest"
)

func TestConformance(t *testing.T) {
	adaptertest.Run(t, func(*testing.T) adapters.Loop { return smallest.New() }, adaptertest.WithPipes())
}
