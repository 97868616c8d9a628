package adaptertest

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/haypile/haypile/adapters"
)

// testSetReading has the peer write more than the kernel holds while reading is
// off: the peer must get stuck.
func testSetReading(t *trial) {
	if t.kit.readAhead > 0 {
		testReadAhead(t)
		return
	}
	size := 32 << 20
	if t.network.inside != nil {
		size = 4 << 20 // of which it holds far less
	}
	r := t.receive(pattern(size))
	r.run(func() { r.transport.SetReading(false) })
	go r.peer.Write(r.want)
	if came := r.awaitQuiet(); came > 1<<20 {
		t.Errorf("%d bytes came while reading was off", came)
	}
	r.run(func() { r.transport.SetReading(true) })
	r.awaitAll()
}

// testReadAhead is for loops that cannot stop reading: the handler is spared a
// little, and a lot ends the transport.
func testReadAhead(t *trial) {
	few := t.receive(pattern(min(t.kit.readAhead, 64<<10) / 2))
	few.run(func() { few.transport.SetReading(false) })
	if _, err := few.peer.Write(few.want); err != nil {
		t.Fatal(err)
	}
	if came := few.awaitQuiet(); came > 0 {
		t.Errorf("%d bytes came while reading was off", came)
	}
	few.run(func() { few.transport.SetReading(true) })
	few.awaitAll()

	many := t.receive(nil)
	many.run(func() { many.transport.SetReading(false) })
	most := t.kit.readAhead + 128<<20 // an engine may be quicker than its loop
	megabyte := make([]byte, 1<<20)
	n, err := 0, error(nil)
	for n < most && err == nil {
		many.peer.SetWriteDeadline(time.Now().Add(bound))
		_, err = many.peer.Write(megabyte)
		n += len(megabyte)
	}
	if err == nil {
		t.Fatalf("%d bytes were taken while reading was off", most)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the peer is held up: reading can be stopped, though WithReadAhead says that it cannot")
	}
	var panicked *adapters.PanicError
	if err := many.awaitEnd(); err == nil || errors.As(err, &panicked) {
		t.Errorf("the transport that was to keep too much ended with %v", err)
	}
	if len(many.got) > 0 {
		t.Errorf("%d bytes came while reading was off", len(many.got))
	}
}

// testCloseAmidInput closes in OnWake while input waits for its turn.
func testCloseAmidInput(t *trial) {
	for range 100 {
		p := &probe{}
		closed := false
		p.data = func([]byte) {
			if closed {
				p.report("OnData after Close")
			}
			for range 10 {
				runtime.Gosched() // let more come
			}
		}
		t.attach(p)
		go func() {
			for range 2000 { // for long enough, and not for ever where writing takes no time
				if _, err := p.peer.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
		p.run(func() {
			for range 10 {
				runtime.Gosched()
			}
			p.transport.Close()
			closed = true
		})
		p.peer.Close()
		p.awaitEnd()
	}
}

// receiver is a probe that is to get certain bytes.
type receiver struct {
	*probe
	want, got []byte
	whole     chan struct{}
}

func (t *trial) receive(want []byte) *receiver {
	t.Helper()
	r := &receiver{want: want, got: make([]byte, 0, len(want)), whole: make(chan struct{})}
	r.probe = &probe{data: func(b []byte) {
		if r.got = append(r.got, b...); len(r.got) == len(want) {
			close(r.whole)
		}
	}}
	t.attach(r.probe)
	return r
}

// awaitQuiet waits until nothing more comes, however often the loop turns: what
// had been read already may. It returns how much has come.
func (r *receiver) awaitQuiet() int {
	r.t.Helper()
	came, quiet := 0, 0
	for quiet < 100 && came < len(r.want) {
		r.run(func() {
			if quiet++; len(r.got) != came {
				came, quiet = len(r.got), 0
			}
		})
		time.Sleep(time.Millisecond)
	}
	return came
}

func (r *receiver) awaitAll() {
	r.t.Helper()
	r.t.await("all that the peer wrote", r.whole)
	if !bytes.Equal(r.got, r.want) {
		r.t.Error("bytes were lost, doubled or swapped")
	}
}
