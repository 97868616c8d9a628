//go:build !race

package blocking

const scribble = false
