//go:build !race

package stream

const scribble = false
