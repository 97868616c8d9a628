//go:build race

package ioloop

// scribble makes the loop overwrite what it lent to OnData, so that tests find
// handlers that keep it.
const scribble = true
