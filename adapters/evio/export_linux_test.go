package evio

// Poller is the descriptor of a loop's epoll set.
func Poller(l *Loop) int { return l.engines[0].graft.poller }
