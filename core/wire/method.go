package wire

import (
	"encoding/binary"
	"fmt"
)

// MethodID is class id << 16 | method id. The constants are named after the
// methods: QueueDeclareID.
type MethodID uint32

// Class is the class id, such as ClassQueue.
func (id MethodID) Class() uint16 { return uint16(id >> 16) }

// Method is the method's number within its class.
func (id MethodID) Method() uint16 { return uint16(id) }

// String is the specification's name, such as "queue.declare-ok", "none" for 0,
// and "method(50,99)" for a number that has none.
func (id MethodID) String() string {
	if name, _ := id.traits(); name != "" {
		return name
	}
	if id == 0 {
		return "none"
	}
	return fmt.Sprintf("method(%d,%d)", id.Class(), id.Method())
}

// Known tells that this package has a struct for the method.
func (id MethodID) Known() bool {
	name, _ := id.traits()
	return name != ""
}

// HasContent tells that a content header and a body follow the method:
// basic.publish, basic.return, basic.deliver, basic.get-ok.
func (id MethodID) HasContent() bool { return id.is(hasContent) }

// FromServer tells that a server may send the method.
func (id MethodID) FromServer() bool { return id.is(fromServer) }

// FromClient tells that a client may send the method.
func (id MethodID) FromClient() bool { return id.is(fromClient) }

// IsReply tells that the method answers another one.
func (id MethodID) IsReply() bool { return id.is(isReply) }

// trait is a bit of what amqp.def tells about a method.
type trait uint8

const (
	fromClient trait = 1 << iota
	fromServer
	hasContent
	isReply
)

func (id MethodID) is(t trait) bool {
	_, has := id.traits()
	return has&t != 0
}

// Method is one of the generated structs, by pointer: *QueueDeclare and so on.
// No other type can implement it.
type Method interface {
	// ID is constant per type and works on a nil pointer.
	ID() MethodID
	// AppendTo appends class id, method id and arguments: the payload of a
	// method frame. The error is a *EncodeError; dst is then returned with its
	// original length.
	AppendTo(dst []byte) ([]byte, error)

	decode(r *reader)
}

// Request is a method that has exactly one kind of answer, R. It lets a generic
// function take both from its argument: with
//
//	func Call[R wire.Method](req wire.Request[R], done func(R, error))
//
// the done of Call(&wire.QueueDeclare{}, done) is a func(*wire.QueueDeclareOk, error).
// Basic.get, which has two answers, is not a Request.
type Request[R Method] interface {
	Method
	// NewReply is an empty answer to decode into. It works on a nil pointer.
	NewReply() R
}

// ParseMethodID splits the payload of a method frame. args aliases payload.
// Whether the method is known does not matter here. A payload of less than four
// bytes is a *DecodeError with Code FrameError.
func ParseMethodID(payload []byte) (id MethodID, args []byte, err error) {
	if len(payload) < 4 {
		reason := fmt.Sprintf("a method takes at least 4 bytes of payload, there are %d", len(payload))
		return 0, nil, &DecodeError{Field: "frame", Reason: reason, Code: FrameError}
	}
	return MethodID(binary.BigEndian.Uint32(payload)), payload[4:], nil
}

// Decoder decodes methods and properties. The zero value is ready. Not safe for
// concurrent use.
type Decoder struct {
	// Intern, if set, makes the strings that tend to repeat: the short strings
	// of methods, and those properties that do not differ from message to
	// message. Nil: every string is allocated.
	Intern *Interner
	// Limits bound the tables.
	Limits Limits

	r reader // here because handing it through the Method interface would allocate it
}

// Method decodes args, as ParseMethodID returned them, into m and overwrites
// all its fields. m keeps no reference to args; empty tables become nil. The
// error is a *DecodeError, also when bytes are left over or m is nil; m's
// fields are then of no use.
//
// Methods without tables are decoded without an allocation when their strings
// are interned, or are those that m has from the last time.
func (d *Decoder) Method(args []byte, m Method) error {
	if m == nil {
		return unknownMethod(0)
	}
	d.r = reader{p: args, end: len(args), intern: d.Intern, limits: d.Limits}
	m.decode(&d.r)
	err := d.r.finish()
	d.r.p, d.r.text, d.r.err = nil, "", nil
	if err != nil {
		err.Method = m.ID()
		return err
	}
	return nil
}

// Decode decodes the payload of a method frame into a new struct, with default
// limits. An unknown method is a *DecodeError with Code NotImplemented.
func Decode(payload []byte) (Method, error) {
	id, args, err := ParseMethodID(payload)
	if err != nil {
		return nil, err
	}
	m := NewMethod(id)
	if m == nil {
		return nil, unknownMethod(id)
	}
	var d Decoder
	if err := d.Method(args, m); err != nil {
		return nil, err
	}
	return m, nil
}

func unknownMethod(id MethodID) error {
	return &DecodeError{Method: id, Field: "method", Reason: "not one of AMQP 0-9-1 or RabbitMQ", Code: NotImplemented}
}
