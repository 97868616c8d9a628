//go:build !race

package core

const scribble = false
