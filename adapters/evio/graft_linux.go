package evio

import (
	"fmt"
	"os"
	"reflect"
	"unsafe"

	"github.com/tidwall/evio"
	"golang.org/x/sys/unix"
)

// graft enters connections into evio's loop as if it had accepted them: into its
// map of descriptors, and its epoll set. All of that is of the loop's goroutine,
// and so are the calls.
//
// The other way, to have evio accept a connection and to put a socket in its
// place, would not do: a process that has no descriptor left for an accept loses
// all its connections, because evio ends.
type graft struct {
	poller int
	conns  reflect.Value // map[int]*conn
}

// seat is a transport's connection as evio has it.
type seat struct {
	conn  reflect.Value // *conn, made once
	taken bool          // it is in the map and the set
}

// newGraft finds evio's loop by a connection that it accepted, and verifies that
// everything is where it is in version 1.0.8.
func newGraft(control any) (*graft, error) {
	conn := reflect.ValueOf(control)
	fd := field(conn, "fd", reflect.Int)
	loop := field(conn, "loop", reflect.Pointer)
	conns := field(loop, "fdconns", reflect.Map)
	poll := field(loop, "poll", reflect.Pointer)
	poller := field(poll, "fd", reflect.Int)
	waker := field(poll, "wfd", reflect.Int)
	for _, v := range []reflect.Value{fd, conns, poller, waker, field(conn, "opened", reflect.Bool), field(conn, "reuse", reflect.Bool)} {
		if !v.IsValid() {
			return nil, ErrNotGrafted
		}
	}
	if conns.Type().Key().Kind() != reflect.Int || conns.Type().Elem() != conn.Type() ||
		conns.MapIndex(fd).UnsafePointer() != conn.UnsafePointer() {
		return nil, ErrNotGrafted
	}
	g := &graft{poller: int(poller.Int()), conns: writable(conns)}
	if err := g.control(unix.EPOLL_CTL_MOD, int(fd.Int())); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotGrafted, err)
	}
	for _, v := range []reflect.Value{fd, poller, waker} {
		unix.CloseOnExec(int(v.Int())) // which evio has forgotten
	}
	return g, nil
}

// field is a field of what a pointer points to. It is invalid if that is not the
// one that is expected.
func field(pointer reflect.Value, name string, kind reflect.Kind) reflect.Value {
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() || pointer.Elem().Kind() != reflect.Struct {
		return reflect.Value{}
	}
	f := pointer.Elem().FieldByName(name)
	if f.IsValid() && f.Kind() != kind {
		return reflect.Value{}
	}
	return f
}

// writable is a private field without the protection.
func writable(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
}

// add has evio read the transport's socket. evio closes the descriptor when it
// reads an end, and calls closed.
func (g *graft) add(t *transport) error {
	if !t.seat.conn.IsValid() {
		t.seat.conn = g.newConn(t)
	}
	g.conns.SetMapIndex(reflect.ValueOf(t.Descriptor()), t.seat.conn)
	t.seat.taken = true
	if err := g.control(unix.EPOLL_CTL_ADD, t.Descriptor()); err != nil {
		g.forget(t)
		return err
	}
	return nil
}

// remove has evio let go of the socket. An event that it has got already and not
// looked at yet is for a descriptor that it does not know then, which it takes for
// a listener that is not there. If the number is another transport's by then, evio
// reads that and finds nothing.
func (g *graft) remove(t *transport) {
	// A watch has a descriptor of the same socket: closing ours would not take it
	// out of the set.
	if err := g.control(unix.EPOLL_CTL_DEL, t.Descriptor()); err != nil {
		t.engine.loop.report(fmt.Errorf("amqp: evio: %w", err))
	}
	g.forget(t)
}

func (g *graft) forget(t *transport) {
	g.conns.SetMapIndex(reflect.ValueOf(t.Descriptor()), reflect.Value{})
	t.seat.taken = false
}

func (g *graft) newConn(t *transport) reflect.Value {
	c := reflect.New(g.conns.Type().Elem().Elem())
	writable(c.Elem().FieldByName("fd")).SetInt(int64(t.Descriptor()))
	writable(c.Elem().FieldByName("opened")).SetBool(true)
	writable(c.Elem().FieldByName("reuse")).SetBool(true)
	c.Interface().(evio.Conn).SetContext(t)
	return c
}

func (g *graft) control(op, fd int) error {
	err := unix.EpollCtl(g.poller, op, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLIN})
	return os.NewSyscallError("epoll_ctl", err)
}
