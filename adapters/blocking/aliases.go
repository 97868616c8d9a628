package blocking

import (
	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Requests, as the methods of Channel take them. Zero fields are the broker's
// defaults. A request must not be changed until the call returns.
type (
	ExchangeDeclare = wire.ExchangeDeclare
	ExchangeDelete  = wire.ExchangeDelete
	ExchangeBind    = wire.ExchangeBind
	ExchangeUnbind  = wire.ExchangeUnbind
	QueueDeclare    = wire.QueueDeclare
	QueueBind       = wire.QueueBind
	QueueUnbind     = wire.QueueUnbind
	QueuePurge      = wire.QueuePurge
	QueueDelete     = wire.QueueDelete
	Qos             = wire.BasicQos
)

// Replies with something in them.
type (
	QueueDeclareOk = wire.QueueDeclareOk
	QueuePurgeOk   = wire.QueuePurgeOk
	QueueDeleteOk  = wire.QueueDeleteOk
)

// What messages and parameters are made of.
type (
	Publishing    = core.Publishing
	Return        = core.Return
	Properties    = wire.Properties
	RawProperties = wire.RawProperties
	Table         = wire.Table
	Decimal       = wire.Decimal
	Params        = driver.Params
	Endpoint      = driver.Endpoint
	Secret        = wire.Secret
	Mechanism     = core.Mechanism
)

// Errors, for errors.As.
type (
	Error          = core.Error
	TransportError = core.TransportError
	PanicError     = adapters.PanicError
	DialError      = driver.DialError
	TLSError       = driver.TLSError
	URIError       = driver.URIError
	NotAMQPError   = core.NotAMQPError
	ConfigError    = core.ConfigError
	EncodeError    = wire.EncodeError
	DecodeError    = wire.DecodeError
	Code           = wire.Code
)

// Reply codes, for errors.Is.
const (
	ContentTooLarge    = wire.ContentTooLarge
	NoRoute            = wire.NoRoute
	ConnectionForced   = wire.ConnectionForced
	AccessRefused      = wire.AccessRefused
	NotFound           = wire.NotFound
	ResourceLocked     = wire.ResourceLocked
	PreconditionFailed = wire.PreconditionFailed
	NotAllowed         = wire.NotAllowed
	NotImplemented     = wire.NotImplemented
)

// Delivery modes.
const (
	Transient  = wire.Transient
	Persistent = wire.Persistent
)

// Ways to authenticate, for Params.Client.Mechanisms.
var (
	NewSecret = wire.NewSecret
	Plain     = core.Plain
	AMQPlain  = core.AMQPlain
	External  = core.External
)

// Off switches off a duration of Params whose zero means the default, such as
// the heartbeat interval.
const Off = core.Off
