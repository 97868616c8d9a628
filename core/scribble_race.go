//go:build race

package core

// scribble makes the machine overwrite memory that it lent out, as soon as the
// loan ends, so that tests find those who kept it.
const scribble = true
