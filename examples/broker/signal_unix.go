//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyState asks for the state on SIGUSR1.
func notifyState(asked chan<- os.Signal) { signal.Notify(asked, syscall.SIGUSR1) }
