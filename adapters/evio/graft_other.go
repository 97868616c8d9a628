//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package evio

// graft is what Linux has.
type graft struct{}

type seat struct{ taken bool }

func newGraft(any) (*graft, error) { return nil, nil }

func (*graft) add(*transport) error { return nil }

func (*graft) remove(*transport) {}
