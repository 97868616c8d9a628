// Package netpollloop runs AMQP connections on the pollers of
// github.com/cloudwego/netpoll. It is an example: what someone outside haypile
// writes to bring a loop of their own, with nothing but what haypile exports, and
// has proven by package adaptertest.
//
//	loop := netpollloop.New()
//	defer loop.Close()
//	conn, err := blocking.Dial(ctx, url, blocking.WithLoop(loop))
//
// An idle connection has no goroutine. netpoll reads, and calls for input on a
// goroutine of its pool; output, Wake and the timer each get a goroutine while
// there is something to do.
//
// netpoll has no call to stop reading: it takes whatever comes. So the loop
// declares that to the kit, by WithReadAhead, and bounds it: a connection that was
// told not to read, and got more than 1 MiB since, ends with ErrReadAhead. A slow
// handler that does not say so is not protected from a peer that is faster.
package netpollloop
