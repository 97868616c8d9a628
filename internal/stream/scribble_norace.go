//go:build !race

package ioloop

const scribble = false
