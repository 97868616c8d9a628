//go:build unix

package descriptor

import (
	"syscall"
	"testing"
)

func TestCallsThatSignalsBreakOffAreMadeAgain(t *testing.T) {
	for _, want := range []struct {
		n   int
		err error
	}{{7, nil}, {0, syscall.EAGAIN}} {
		calls := 0
		n, err := uninterrupted(func() (int, error) {
			calls++
			switch {
			case calls < 3:
				return -1, syscall.EINTR
			case want.err != nil:
				return -1, want.err
			}
			return want.n, nil
		})
		if n != want.n || err != want.err || calls != 3 {
			t.Errorf("after %d calls: %d, %v, want %d, %v", calls, n, err, want.n, want.err)
		}
	}
}
