//go:build !race

package stdnet

const scribble = false
