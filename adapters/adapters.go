package adapters

import (
	"net"
	"time"
)

// Water marks for a transport's buffered output, in bytes. Whoever writes stops
// at HighWater; the transport calls OnWake once each time Buffered falls from
// above LowWater to LowWater or less.
const (
	HighWater = 256 << 10
	LowWater  = 64 << 10
)

// Loop runs transports. Its methods may be called from any goroutine, handler
// calls included, and never wait for the loop.
type Loop interface {
	// Attach takes ownership of an established connection, in every case. nil:
	// h gets OnOpen first, maybe before Attach returns, and OnClose once and
	// last. An error: conn is closed and h is never called. ErrClosed after
	// Close; ErrNotPollable when the loop needs a file descriptor that conn
	// does not have.
	Attach(conn net.Conn, h Handler) error
	// Close aborts every transport and refuses new ones. It returns at once;
	// calls after the first change nothing. The error is of the engine, if it
	// could not be told to stop.
	Close() error
	// Done is closed after the last OnClose and the end of all goroutines that
	// the loop started. Waiting for it inside a handler call waits for ever.
	Done() <-chan struct{}
}

// Selective is implemented by loops that take only some types of connections, such
// as those that have a file descriptor. Package driver asks, and gives a loop a
// socket that stands for the connection where it would not take that itself.
type Selective interface {
	Loop
	// Takes tells whether Attach would take conn. Any goroutine may call it.
	Takes(conn net.Conn) bool
}

// Handler is told what happens to one transport. Its calls never overlap and
// never nest. now is the time of the call, on the monotonic clock. A panic in
// one ends the transport: it is aborted and OnClose gets a *PanicError.
type Handler interface {
	// OnOpen: the transport is ready. Nothing is called before it.
	OnOpen(t Transport, now time.Time)
	// OnData: bytes have come. p is reused when the call returns.
	OnData(p []byte, now time.Time)
	// OnWake: Wake was called, or the wakeup time has come, or Buffered fell to
	// LowWater. One call may stand for several of these. One may be spurious, such
	// as for a wakeup that was moved when it was on its way, but stands for none
	// that is still to come.
	OnWake(now time.Time)
	// OnClose: the transport has ended; nothing is called after it. The error is
	// nil for a clean end: the peer closed, or Close or Abort was called.
	OnClose(err error, now time.Time)
}

// Transport is one connection on a loop. Only Wake may be called outside the
// handler's calls; none of its methods runs the handler on the caller's stack,
// and all are harmless after the end.
type Transport interface {
	// Write sends the segments in order. It has sent or copied everything when
	// it returns and does not wait for the peer. Errors end the transport later,
	// through OnClose.
	Write(segs [][]byte)
	// Buffered is the number of bytes written and not yet handed to the kernel.
	Buffered() int
	// SetReading stops (false) or resumes OnData. After stopping, bytes that
	// were already read may still come, and the peer's end may show only after
	// resuming.
	SetReading(on bool)
	// SetWakeup sets the transport's only timer: OnWake is called at that time
	// or later, never earlier; at once for times in the past. It replaces the
	// time set before; the zero Time disarms.
	SetWakeup(at time.Time)
	// Wake makes the loop call OnWake soon. Any goroutine may call it. Calls
	// coalesce: one OnWake, begun after the last of them, may answer many.
	Wake()
	// Close ends the transport after what was written has been sent, which takes
	// as long as the peer takes to read it; Abort ends the wait. OnData is not
	// called any more, OnWake may be.
	Close()
	// Abort ends the transport now and drops what has not been sent.
	Abort()
	// LocalAddr is our end of the connection, never nil.
	LocalAddr() net.Addr
	// RemoteAddr is the peer's end of the connection, never nil.
	RemoteAddr() net.Addr
}

// Prompt is implemented by transports whose handler may be called by any goroutine,
// and so by one that asks for a call and then waits for what comes of it: that is a
// change of goroutines less.
type Prompt interface {
	Transport
	// WakeHere is Wake, but OnWake may be called, and what it wrote be sent, before it
	// returns. The caller must hold no lock that the handler takes. Where another call
	// is in progress, a caller's own included, it is Wake.
	WakeHere()
}
