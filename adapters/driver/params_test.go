package driver_test

import (
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/driver"
)

// Package blocking asks the program's own Params, whose defaults nobody filled in.
func TestPausesDoubleFromTheRetryDelayToTheLongest(t *testing.T) {
	for _, c := range []struct {
		p    driver.Params
		n    int
		want time.Duration // or down to a half
	}{
		{driver.Params{}, 1, driver.DefaultRetryDelay},
		{driver.Params{}, 2, 2 * driver.DefaultRetryDelay},
		{driver.Params{}, 1000, driver.DefaultMaxRetryDelay},
		{driver.Params{RetryDelay: time.Hour}, 1, time.Hour},
		{driver.Params{RetryDelay: time.Hour}, 1000, time.Hour},
		{driver.Params{MaxRetryDelay: time.Second}, 1, time.Second},
		{driver.Params{RetryDelay: time.Second, MaxRetryDelay: 3 * time.Second}, 2, 2 * time.Second},
		{driver.Params{RetryDelay: time.Second, MaxRetryDelay: 3 * time.Second}, 3, 3 * time.Second},
	} {
		for range 100 {
			if d := c.p.Pause(c.n); d > c.want || d < c.want/2 {
				t.Errorf("after %d cycles: %v, want %v or down to a half; delays %v, %v", c.n, d, c.want, c.p.RetryDelay, c.p.MaxRetryDelay)
			}
		}
	}
}
