// Package memnet is a network in memory: connections that need nothing of the
// system, hold what is written until it is read, and whose waiting goroutines a
// bubble of testing/synctest sees as waiting.
package memnet
