// Package evio is the adapter on github.com/tidwall/evio: event loops that wait in
// epoll or kqueue, for programs that are built around evio. A connection costs no
// goroutine.
//
//	loop, err := evio.New()
//	conn, err := blocking.Dial(ctx, uri, blocking.WithLoop(loop))
//
// It takes established TCP and UNIX connections, of the types *net.TCPConn and
// *net.UnixConn, and nothing that wraps them; TLS is the driver's business and
// works. On Windows, New returns errors.ErrUnsupported.
//
// evio is a server and has no call for a connection that it did not accept. On
// Linux the adapter grafts connections: it enters them where evio keeps those it
// accepted, in private fields that New verifies. Elsewhere, and with an evio whose
// fields are not those of version 1.0.8, it relays: a second poller waits for the
// sockets and hands over to evio's loop when there is something to do. A handler
// sees no difference; input takes one step more. See WithRelay.
//
// evio lends its loops and, grafted, its reading. Output goes to the socket
// without evio's buffer, which stops the reading while it is not empty.
package evio
