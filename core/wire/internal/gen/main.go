package main

import (
	"bytes"
	"fmt"
	"os"
)

const (
	source = "amqp.def"
	target = "zz_methods.go"
)

func main() {
	if err := run(source, target); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(source, target string) error {
	code, err := generate(source)
	if err != nil {
		return err
	}
	return os.WriteFile(target, code, 0o644)
}

// generate is the Go source for a definition file.
func generate(source string) ([]byte, error) {
	def, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	classes, err := parse(bytes.NewReader(def))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return emit(classes)
}
