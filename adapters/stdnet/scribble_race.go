//go:build race

package stdnet

// scribble makes the adapter overwrite what it lent to OnData, so that tests
// find handlers that keep it.
const scribble = true
