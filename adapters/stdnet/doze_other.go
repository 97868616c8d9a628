//go:build unix && !linux

package stdnet

// doze would keep what arrives from waking the runtime's poller while nobody reads.
func (s *rawSocket) doze(bool) {}
