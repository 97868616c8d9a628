//go:build !unix

// Package cputime tells what CPU time the process has spent.
package cputime

import "time"

var began = time.Now()

// Spent is wall-clock time where the system is not asked for CPU time.
func Spent() time.Duration { return time.Since(began) }
