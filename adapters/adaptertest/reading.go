package adaptertest

import (
	"bytes"
	"errors"
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
	r := t.receive(pattern(32 << 20))
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

	many := t.receive(pattern(t.kit.readAhead + 32<<20)) // more than the kernel holds besides
	many.run(func() { many.transport.SetReading(false) })
	taken := make(chan error, 1)
	go func() {
		_, err := many.peer.Write(many.want)
		taken <- err
	}()
	select {
	case err := <-taken:
		if err == nil {
			t.Fatalf("%d bytes were taken while reading was off", len(many.want))
		}
	case <-time.After(bound):
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

// receiver is a probe that is to get certain bytes.
type receiver struct {
	*probe
	want, got []byte
	whole     chan struct{}
}

func (t *trial) receive(want []byte) *receiver {
	t.Helper()
	r := &receiver{want: want, whole: make(chan struct{})}
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
