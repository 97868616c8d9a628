//go:build !unix

package main

import "time"

var began = time.Now()

// cpu is wall-clock time where the system is not asked for CPU time.
func cpu() time.Duration { return time.Since(began) }
