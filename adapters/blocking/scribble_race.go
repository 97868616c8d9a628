//go:build race

package blocking

// scribble has the memory of a body overwritten when it is taken back, so that a
// program's tests find who keeps one.
const scribble = true
