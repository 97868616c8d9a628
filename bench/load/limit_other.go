//go:build !linux && !darwin

package main

// raiseFileLimit leaves the limit as the system has it.
func raiseFileLimit() {}
