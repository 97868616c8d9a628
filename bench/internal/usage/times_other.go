//go:build !unix && !windows

package usage

import "time"

var began = time.Now()

// times is wall-clock time where the system is not asked for CPU time.
func times() (user, system time.Duration, resident int) { return time.Since(began), 0, 0 }
