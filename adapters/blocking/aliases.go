package blocking

import (
	"github.com/haypile/haypile/adapters"
	"github.com/haypile/haypile/adapters/driver"
	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// Requests, as the methods of Channel take them, one for each method of AMQP.
// Zero fields are the broker's defaults. A request must not be changed until the
// call returns.
type (
	// ExchangeDeclare makes an exchange: Exchange, Type ("direct", "fanout",
	// "topic", "headers"), Durable, AutoDelete, Internal, Arguments. Passive only
	// asks whether it is there. Its fields: go doc core/wire.ExchangeDeclare.
	ExchangeDeclare = wire.ExchangeDeclare
	// ExchangeDelete deletes Exchange, with IfUnused only while nothing is bound
	// to it. Its fields: go doc core/wire.ExchangeDelete.
	ExchangeDelete = wire.ExchangeDelete
	// ExchangeBind has what Source routes by RoutingKey and Arguments go to the
	// exchange Destination. Its fields: go doc core/wire.ExchangeBind.
	ExchangeBind = wire.ExchangeBind
	// ExchangeUnbind takes an ExchangeBind back; RoutingKey and Arguments must be
	// the same. Its fields: go doc core/wire.ExchangeUnbind.
	ExchangeUnbind = wire.ExchangeUnbind
	// QueueDeclare makes a queue: Queue (empty: the broker chooses a name, which is
	// in the answer), Durable, Exclusive (to this connection), AutoDelete (after
	// its last consumer), Arguments ("x-message-ttl", "x-queue-type", …). Passive
	// only asks whether it is there. Its fields: go doc core/wire.QueueDeclare.
	QueueDeclare = wire.QueueDeclare
	// QueueBind has what Exchange routes by RoutingKey and Arguments go to Queue.
	// Its fields: go doc core/wire.QueueBind.
	QueueBind = wire.QueueBind
	// QueueUnbind takes a QueueBind back; RoutingKey and Arguments must be the
	// same. Its fields: go doc core/wire.QueueUnbind.
	QueueUnbind = wire.QueueUnbind
	// QueuePurge drops what waits in Queue, but for what consumers have not acked.
	// Its fields: go doc core/wire.QueuePurge.
	QueuePurge = wire.QueuePurge
	// QueueDelete deletes Queue, with IfUnused or IfEmpty only while it is that.
	// Its fields: go doc core/wire.QueueDelete.
	QueueDelete = wire.QueueDelete
	// Qos bounds what a consumer, or with Global the whole channel, has unacked:
	// PrefetchCount messages, 0 for no bound. Consume.Prefetch does so for one
	// consumer. Its fields: go doc core/wire.BasicQos.
	Qos = wire.BasicQos
)

// Replies with something in them.
type (
	// QueueDeclareOk has the name of the queue (Queue), and how many messages
	// (MessageCount) wait in it and consumers (ConsumerCount) it has.
	QueueDeclareOk = wire.QueueDeclareOk
	// QueuePurgeOk has how many messages were dropped (MessageCount).
	QueuePurgeOk = wire.QueuePurgeOk
	// QueueDeleteOk has how many messages went with the queue (MessageCount).
	QueueDeleteOk = wire.QueueDeleteOk
)

// What messages and parameters are made of.
type (
	// Publishing is a message to publish: Exchange, RoutingKey, Mandatory,
	// Properties or RawProperties, Body. The calls copy it. Its fields: go doc
	// core.Publishing.
	Publishing = core.Publishing
	// Return is a message that came back because no queue gets it. Its fields: go
	// doc core.Return.
	Return = core.Return
	// Properties are the 14 of AMQP, Headers among them. Its fields: go doc
	// core/wire.Properties.
	Properties = wire.Properties
	// RawProperties are properties in the form of the wire: encoded once by
	// Properties.Encode, for many messages that have the same.
	RawProperties = wire.RawProperties
	// Table is arguments or headers. Which Go types its values may have: go doc
	// core/wire.Table.
	Table = wire.Table
	// TableBuilder makes headers for Properties.RawHeaders, in memory that is reused:
	// for programs that publish more messages than a Table for each is cheap for.
	TableBuilder = wire.TableBuilder
	// RawTable is headers in the form of the wire, as Delivery.Properties.Headers has
	// them: for reading all or one of them without decoding the others, and to be sent
	// on as Properties.RawHeaders.
	RawTable = wire.RawTable
	// Decimal is a table's value with a decimal point: Value / 10^Scale.
	Decimal = wire.Decimal
	// Params say where to connect and how, for DialParams and WithParams. Its
	// fields: go doc adapters/driver.Params.
	Params = driver.Params
	// Endpoint is one place where the broker may be reached: Host, Port, TLS.
	Endpoint = driver.Endpoint
	// Attempt is one try to connect that failed, in a DialError and in
	// AttemptFailed.
	Attempt = driver.Attempt
	// Secret is a password or token that no form of printing shows.
	Secret = wire.Secret
	// Mechanism is a way to authenticate: Plain, AMQPlain, External, or one's own.
	Mechanism = core.Mechanism
)

// Errors, for errors.As.
type (
	// Error is what the broker said when it closed a channel or the connection:
	// Code, Text, Method, Channel.
	Error = core.Error
	// TransportError is a connection that ended without a word of AMQP: cut,
	// silent, or dropped at a deadline.
	TransportError = core.TransportError
	// PanicError is a panic in code of the user's that the loop or a worker called:
	// Value and Stack.
	PanicError = adapters.PanicError
	// DialError is that no attempt to connect succeeded: Attempts has each.
	DialError = driver.DialError
	// TLSError is a TLS handshake that failed.
	TLSError = driver.TLSError
	// URIError is a URI that cannot be used, without its secrets.
	URIError = driver.URIError
	// NotAMQPError is that something else than an AMQP 0-9-1 broker answered.
	NotAMQPError = core.NotAMQPError
	// ConfigError is a field of parameters or of a request that is out of range;
	// nothing was sent.
	ConfigError = core.ConfigError
	// EncodeError is a value that AMQP has no form for, with its path
	// ("headers.a[3]"); nothing was sent.
	EncodeError = wire.EncodeError
	// DecodeError is bytes that are not what AMQP says they are.
	DecodeError = wire.DecodeError
	// Code is a reply code, itself an error to compare with: errors.Is(err,
	// blocking.NotFound).
	Code = wire.Code
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
	ResourceError      = wire.ResourceError
	NotAllowed         = wire.NotAllowed
	NotImplemented     = wire.NotImplemented
)

// Delivery modes, for Properties.DeliveryMode.
const (
	Transient  = wire.Transient  // gone when the broker restarts
	Persistent = wire.Persistent // kept, in a durable queue
)

// Ways to authenticate, for Params.Client.Mechanisms.
var (
	// NewSecret makes a Secret of a string.
	NewSecret = wire.NewSecret
	// Plain sends a user name and a password, or a token in its place.
	Plain = core.Plain
	// AMQPlain is RabbitMQ's older form of Plain.
	AMQPlain = core.AMQPlain
	// External has the broker take the user from the TLS certificate.
	External = core.External
)

// Off switches off a duration of Params whose zero means the default, such as
// the heartbeat interval.
const Off = core.Off
