// Package gnet is the adapter on github.com/panjf2000/gnet/v2: event loops that
// wait in epoll (Linux) or kqueue (macOS and the BSDs), each on a thread of its
// own, for programs with many connections. A connection costs no goroutine.
//
//	loop, err := gnet.New()
//	conn, err := blocking.Dial(ctx, uri, blocking.WithLoop(loop))
//
// It takes established TCP and UNIX connections, of the types *net.TCPConn and
// *net.UnixConn, and nothing that wraps them; TLS is the driver's business and
// works. On Windows, New returns errors.ErrUnsupported.
//
// gnet lends its loops, its reading and its registry. Output goes to the socket
// without gnet's buffers, which tell nobody when they have drained, and the
// reader is taken out of gnet's poller while SetReading is off, for which gnet
// has no call.
//
// gnet has one logger for all of the process. New sets it; see WithLogger.
package gnet
