//go:build poll_opt && (linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package gnet

import "errors"

// With the tag poll_opt the poller's registrations hold pointers of gnet's.
const canTakeReaders = false

func addReader(int, int, bool) error { return errors.ErrUnsupported }
func removeReader(int, int) error    { return errors.ErrUnsupported }
