// Package stream is what the adapters over file descriptors have in common: a
// transport that buffers, writes, closes and tells its handler by the contract of
// package adapters. An engine waits for the descriptor and calls the transport. Tasks
// and Clock are for engines that have no queue and no timers that would do.
package stream
