// Package stdnet runs transports on Go's own net package and scheduler. It is
// the default adapter: it takes any net.Conn, on every platform, and costs one
// goroutine per idle connection.
//
//	loop := stdnet.New()
//	defer loop.Close()
//	conn, err := driver.Dial(ctx, loop, params, handler)
//
// There is no loop goroutine. The goroutine that reads a connection runs its
// handler in place and writes the answer, as far as the kernel takes it at once;
// Wake and the timer run the handler on a goroutine of their own, which writes, too,
// and answers each Wake that comes meanwhile; WakeHere runs it on the caller's, where
// no call is in progress. So output is gathered while a write is under way and goes out
// as one by the next, and many small writes cost few system calls. Of 16 KiB or more,
// what the kernel takes at once is written within Write, without a copy: on Linux in
// however many pieces it comes, elsewhere in one. A peer that does not read holds up a
// goroutine that does nothing but write, and nothing else.
//
// After Close has sent everything, the connection is shut down for writing and
// read, without delivering, until the peer closes too, for a second at most: a
// close that leaves unread input behind would reset the connection and take
// what the peer has not read with it.
package stdnet
