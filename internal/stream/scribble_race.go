//go:build race

package stream

// scribble makes transports overwrite what it lent to OnData, so that tests find
// handlers that keep it.
const scribble = true
