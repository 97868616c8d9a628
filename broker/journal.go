package broker

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// JournalEntry is a method that a client or the broker has sent, or the header of
// the content that follows one. It is a copy, which may be kept.
type JournalEntry struct {
	Time       time.Time // by the system's clock
	Connection string    // its name, as in ConnectionState; empty before its client has said who it is
	Channel    uint16
	Sent       bool          // by the broker; false: by the client
	Method     wire.MethodID // zero for a header

	payload []byte // without credentials
}

// Decode is the method with its arguments, with secrets left empty. It is nil for a
// header, and for more than 4 KiB of arguments.
func (e *JournalEntry) Decode() wire.Method {
	if e.Method == 0 {
		return nil
	}
	m, err := wire.Decode(e.payload)
	if err != nil { // it is too long to be kept, or could not be read for its credentials
		return nil
	}
	return m
}

// String is a line for a log: time, connection, channel, direction, the method with
// its arguments but those that are zero, long tables cut short; or the size of the
// content. Decode has everything.
func (e *JournalEntry) String() string {
	arrow := "<-"
	if e.Sent {
		arrow = "->"
	}
	return fmt.Sprintf("%s %s %d %s %s", e.Time.Format("15:04:05.000000"), e.Connection, e.Channel, arrow, e.what())
}

func (e *JournalEntry) what() string {
	if e.Method == 0 {
		_, size, _, err := wire.ParseContentHeader(e.payload)
		if err != nil {
			return "content header that is malformed"
		}
		return fmt.Sprintf("content of %d bytes", size)
	}
	m := e.Decode()
	if m == nil {
		return e.Method.String()
	}
	return strings.TrimSuffix(e.Method.String()+" {"+arguments(m)+"}", " {}")
}

// arguments lists those that are not zero, by name.
func arguments(m wire.Method) string {
	var all []string
	v := reflect.ValueOf(m).Elem()
	for _, field := range reflect.VisibleFields(v.Type()) {
		if f := v.FieldByIndex(field.Index); field.IsExported() && !f.IsZero() && !isEmptyTable(f) {
			all = append(all, field.Name+":"+argument(f.Interface()))
		}
	}
	return strings.Join(all, " ")
}

func isEmptyTable(v reflect.Value) bool { return v.Kind() == reflect.Map && v.Len() == 0 }

// shownTable is how much of a table is shown, in bytes: enough for the arguments of a
// usual queue, too little for what libraries tell of themselves.
const shownTable = 80

func argument(a any) string {
	switch a := a.(type) {
	case string:
		return strconv.Quote(a)
	case wire.Code: // whose text is an error's
		return strconv.Itoa(int(a))
	case wire.Table:
		text := strings.TrimPrefix(fmt.Sprint(a), "map")
		if len(text) <= shownTable {
			return text
		}
		return strings.ToValidUTF8(text[:shownTable], "") + "...]"
	}
	return fmt.Sprint(a)
}

// journal is the last methods that went over all connections: a ring.
type journal struct {
	mu      sync.Mutex
	entries []JournalEntry
	from    []*session // of each entry
	next    int
	full    bool
}

// keptPayload bounds the arguments that an entry remembers; longer ones cannot be
// decoded any more.
const keptPayload = 4 << 10

func newJournal(n int) *journal {
	return &journal{entries: make([]JournalEntry, n), from: make([]*session, n)}
}

// journaled is a session whose methods the journal remembers.
type journaled struct{ *session }

// OnTrace implements driver.Tracer.
func (s journaled) OnTrace(f *core.TraceFrame) {
	j := s.broker.journal
	if f.Type != wire.FrameMethod && f.Type != wire.FrameHeader {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e := &j.entries[j.next]
	payload := append(e.payload[:0], f.Payload[:min(len(f.Payload), keptPayload)]...)
	*e = JournalEntry{Time: f.At, Channel: f.Channel, Sent: f.Sent, Method: f.Method, payload: payload}
	j.from[j.next] = s.session
	if j.next++; j.next == len(j.entries) {
		j.next, j.full = 0, true
	}
}

// handler is a session, with a journal if there is one.
func (b *Broker) handler(s *session) core.ServerHandler {
	if b.journal == nil {
		return s
	}
	return journaled{s}
}

// Journal is the last methods that went over the broker's connections, the oldest
// first.
// Without WithJournal there are none. Any goroutine may call it.
func (b *Broker) Journal() []JournalEntry {
	j := b.journal
	if j == nil {
		return nil
	}
	b.mu.Lock() // for the names of sessions
	defer b.mu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	first, n := 0, j.next
	if j.full {
		first, n = j.next, len(j.entries)
	}
	entries := make([]JournalEntry, n)
	for i := range entries {
		at := (first + i) % len(j.entries)
		entries[i] = j.entries[at]
		entries[i].payload = bytes.Clone(entries[i].payload)
		entries[i].Connection = j.from[at].name
	}
	return entries
}
