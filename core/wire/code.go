package wire

import "strconv"

// Code is a reply code of AMQP 0-9-1, the reason in connection.close,
// channel.close and basic.return. It is an error, so that it can be the target
// of errors.Is: errors.Is(err, wire.NotFound).
type Code uint16

// The reply codes. All but ReplySuccess report a failure.
const (
	ReplySuccess       Code = 200 // an orderly close
	ContentTooLarge    Code = 311 // a message above the size limit of the peer
	NoRoute            Code = 312 // basic.return: a mandatory message reached no queue
	NoConsumers        Code = 313 // basic.return: immediate delivery was not possible; not sent by RabbitMQ
	ConnectionForced   Code = 320 // an operator or a shutdown closed the connection
	InvalidPath        Code = 402 // the virtual host is not known
	AccessRefused      Code = 403 // permissions or credentials do not suffice
	NotFound           Code = 404 // no such queue, exchange or virtual host
	ResourceLocked     Code = 405 // an exclusive queue of another connection
	PreconditionFailed Code = 406 // redeclared differently, unknown delivery tag, acknowledgement timeout, …
	FrameError         Code = 501 // a malformed frame
	SyntaxError        Code = 502 // a frame with malformed fields
	CommandInvalid     Code = 503 // a method in a place where it must not come
	ChannelError       Code = 504 // a frame on a channel that is not open
	UnexpectedFrame    Code = 505 // a frame of another type than the dialogue demands
	ResourceError      Code = 506 // the server ran short of something
	NotAllowed         Code = 530 // forbidden by configuration, such as a reused consumer tag
	NotImplemented     Code = 540 // a method or a flag that the server does not support
	InternalError      Code = 541 // a fault of the server
)

// String is the code's name in the specification, such as "NOT_FOUND", and
// "REPLY_CODE_999" for a number that has none.
func (c Code) String() string {
	switch c {
	case ReplySuccess:
		return "REPLY_SUCCESS"
	case ContentTooLarge:
		return "CONTENT_TOO_LARGE"
	case NoRoute:
		return "NO_ROUTE"
	case NoConsumers:
		return "NO_CONSUMERS"
	case ConnectionForced:
		return "CONNECTION_FORCED"
	case InvalidPath:
		return "INVALID_PATH"
	case AccessRefused:
		return "ACCESS_REFUSED"
	case NotFound:
		return "NOT_FOUND"
	case ResourceLocked:
		return "RESOURCE_LOCKED"
	case PreconditionFailed:
		return "PRECONDITION_FAILED"
	case FrameError:
		return "FRAME_ERROR"
	case SyntaxError:
		return "SYNTAX_ERROR"
	case CommandInvalid:
		return "COMMAND_INVALID"
	case ChannelError:
		return "CHANNEL_ERROR"
	case UnexpectedFrame:
		return "UNEXPECTED_FRAME"
	case ResourceError:
		return "RESOURCE_ERROR"
	case NotAllowed:
		return "NOT_ALLOWED"
	case NotImplemented:
		return "NOT_IMPLEMENTED"
	case InternalError:
		return "INTERNAL_ERROR"
	}
	return "REPLY_CODE_" + strconv.Itoa(int(c))
}

// Error is number and name: "amqp: 404 NOT_FOUND".
func (c Code) Error() string { return "amqp: " + strconv.Itoa(int(c)) + " " + c.String() }

// Hard tells whether the specification lets the code close the connection; all
// others close one channel, or nothing.
func (c Code) Hard() bool {
	switch c {
	case ConnectionForced, InvalidPath, FrameError, SyntaxError, CommandInvalid, ChannelError,
		UnexpectedFrame, ResourceError, NotAllowed, NotImplemented, InternalError:
		return true
	}
	return false
}
