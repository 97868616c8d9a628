// Package ioloop is an event loop in the manner of select: file descriptors,
// timers, callbacks, all on one goroutine. It knows nothing of AMQP; with Attach
// it is also an adapters.Loop, on which any number of AMQP connections run.
//
//	loop, err := ioloop.New()
//	loop.CallLater(time.Second, func() { fmt.Println("a second later") })
//	loop.AddHandler(fd, ioloop.Read, func(fd int, _ ioloop.Events) { … })
//	go func() { loop.AddCallbackThreadsafe(work) }()
//	err = loop.Start() // runs here until Stop
//
// # Goroutines
//
// The goroutine in Start is the loop: handlers, timers and callbacks run on it,
// one after the other. AddCallbackThreadsafe, Attach, Stop, Close, Done and
// Transport.Wake may be called from any goroutine; all else belongs on the loop,
// or before Start.
//
// # Order
//
// A pass of the loop runs the callbacks that were there when it began, then the
// timers that are due, then one round of events (which may be left out a few times
// while callbacks keep coming): what a callback, timer or
// handler adds has its turn in the next pass, so that nobody keeps the others
// from theirs. Callbacks run in the order in which they were added; timers in the
// order of their times, and of their being set where these are equal. A handler
// that was removed does not run any more, even when its event had been seen.
//
// A panic in a callback, timer or handler is recovered and goes to the function
// of WithErrorHandler; everything else goes on.
//
// # Pollers
//
// On Linux the default is epoll, waited for by Go's own network poller: the
// loop's goroutine parks like any other, occupies no thread while it waits, and
// is woken without a system call that blocks. Plain epoll, poll and select can be
// chosen by WithPoller, for those who pin the loop to a thread, and for
// comparison. On macOS and the BSDs there are kqueue, poll and select; these are
// built and vetted by this project's tests, but not run by them.
//
// What is not open is refused by all of them. A regular file is refused by epoll;
// poll and select take it and call it always ready, as the system does. A
// descriptor that its owner closes before its handler is removed never ends the
// loop: see AddHandler.
package ioloop
