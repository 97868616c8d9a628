package wire

import "fmt"

// DecodeError reports bytes from the peer that do not follow AMQP 0-9-1. It
// unwraps to its Code, so errors.Is(err, wire.SyntaxError) works.
type DecodeError struct {
	// Method is the method being decoded, 0 for frames, content headers,
	// properties and tables by themselves.
	Method MethodID
	// Field is the field at fault by the specification's name, or "frame",
	// "content header", "property flags", "table", "method" for one that is
	// not known, "end" when bytes are left over.
	Field string
	// Offset is where the fault lies, in bytes from the start of the method's
	// arguments, of the frame, of the content header's payload, of the
	// properties or of the table: of what was handed to the decoder.
	Offset int
	// Reason says what is wrong, without the values of any field.
	Reason string
	// Code is the reply code to close the connection with.
	Code Code
}

// Error is such as "amqp: decoding queue.declare: arguments at byte 12: unknown
// field type 'Z'" and "amqp: frame: size 200000 exceeds frame-max 131072".
func (e *DecodeError) Error() string {
	where := e.Field
	if e.Offset > 0 {
		where = fmt.Sprintf("%s at byte %d", where, e.Offset)
	}
	if e.Method != 0 {
		where = fmt.Sprintf("decoding %s: %s", e.Method, where)
	}
	return fmt.Sprintf("amqp: %s: %s", where, e.Reason)
}

// Unwrap is the error's Code.
func (e *DecodeError) Unwrap() error { return e.Code }

// EncodeError reports a value that AMQP 0-9-1 cannot carry. Nothing was
// appended.
type EncodeError struct {
	// Method is the method being encoded, 0 for properties and tables by
	// themselves.
	Method MethodID
	// Path leads to the value: the field by the specification's name, then
	// table keys and array indices, such as "headers.a[3].b".
	Path string
	// Reason continues a sentence that starts with the path, without the value.
	Reason string
}

// Error is such as "amqp: encoding basic.publish: routing-key is 300 bytes, the
// limit is 255".
func (e *EncodeError) Error() string {
	if e.Method != 0 {
		return fmt.Sprintf("amqp: encoding %s: %s %s", e.Method, e.Path, e.Reason)
	}
	return fmt.Sprintf("amqp: encoding %s %s", e.Path, e.Reason)
}

// under moves the error one level down: parent names what holds the value.
func (e *EncodeError) under(parent string) *EncodeError {
	if e.Path != "" && e.Path[0] != '[' {
		parent += "."
	}
	e.Path = parent + e.Path
	return e
}
