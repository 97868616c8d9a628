package core

import "github.com/haypile/haypile/core/wire"

// ServerHandler is told about the lifetime of a server's connection. Its methods
// run inside driver-side calls on the goroutine that made them; they may use
// every user-side method of the Conn and its channels. Embed NopServer to
// implement only some.
type ServerHandler interface {
	// OnAuth: the client chose a mechanism and sent its response, or answered a
	// challenge; answer by Accept, Challenge or Refuse. For PLAIN and AMQPLAIN,
	// ParsePlain and ParseAMQPlain read the response.
	OnAuth(c *Conn, mechanism string, response wire.Secret)
	// OnOpen: the client asks for a virtual host; answer by Accept or Refuse.
	OnOpen(c *Conn, virtualHost string)
	// OnChannel: the client opened a channel; what happens on it goes to the
	// handler returned, nil for NopServerChannel.
	OnChannel(c *Conn, ch *Channel) ServerChannelHandler
	// OnUpdateSecret: the client has a new credential, such as a fresh OAuth 2
	// token; answer by Accept or Refuse. https://www.rabbitmq.com/docs/oauth2
	OnUpdateSecret(c *Conn, secret wire.Secret, reason string)
	// OnWritable: deliveries make sense again after ErrBackpressure. It is
	// called once for any number of refusals.
	OnWritable(c *Conn)
	// OnClose: the connection has ended; called once, last, after OnClose of
	// every channel. The error is nil after an orderly close by us; by the
	// client, it is an *Error with Code wire.ReplySuccess.
	OnClose(c *Conn, err error)
}

// ServerChannelHandler is told about what a client does on a channel. The same
// rules hold as for ServerHandler. Embed NopServerChannel to implement only
// some.
type ServerChannelHandler interface {
	// OnMethod: the client sent a method other than basic.publish: a request to
	// be answered by Send or GetOk, in the order in which they came, unless its
	// NoWait is set; an ack, nack or reject; an answer to a request of ours. m is
	// valid until the callback returns.
	OnMethod(ch *Channel, m wire.Method)
	// OnPublish: the client published a message. p is valid until the callback
	// returns.
	OnPublish(ch *Channel, p *Published)
	// OnClose: the channel has ended; called once, last. The error is nil after
	// an orderly close by us (of the channel or the connection), else it says who
	// ended it and why; by the client, it is an *Error with the client's code.
	OnClose(ch *Channel, err error)
}

// NopServer implements ServerHandler except for OnAuth, for embedding: it lets
// clients into every virtual host, refuses new secrets and answers all requests
// on channels with 540.
type NopServer struct{}

// OnOpen accepts.
func (NopServer) OnOpen(c *Conn, _ string) { c.Accept() }

// OnChannel returns NopServerChannel.
func (NopServer) OnChannel(*Conn, *Channel) ServerChannelHandler { return NopServerChannel{} }

// OnUpdateSecret refuses.
func (NopServer) OnUpdateSecret(c *Conn, _ wire.Secret, _ string) {
	c.Refuse(wire.NotAllowed, "secrets cannot be updated here")
}

// OnWritable does nothing.
func (NopServer) OnWritable(*Conn) {}

// OnClose does nothing.
func (NopServer) OnClose(*Conn, error) {}

// NopServerChannel implements ServerChannelHandler, for embedding.
type NopServerChannel struct{}

// OnMethod fails requests that wait for an answer with 540.
func (NopServerChannel) OnMethod(ch *Channel, m wire.Method) {
	if m.ID().Reply() != 0 {
		ch.Fail(wire.NotImplemented, m.ID().String(), m.ID())
	}
}

// OnPublish does nothing.
func (NopServerChannel) OnPublish(*Channel, *Published) {}

// OnClose does nothing.
func (NopServerChannel) OnClose(*Channel, error) {}

// Published is a message that a client published.
//
// Properties and Body alias memory of the Conn or of the caller of Feed: they
// are valid until the callback returns, and so is the Published itself. Clone
// makes a copy to keep. The strings may be kept.
type Published struct {
	Channel    *Channel           // that it came on, to which its confirm belongs
	Seq        uint64             // confirm number, counting from 1; 0 when the client did not select confirms
	Exchange   string             // empty: the default exchange
	RoutingKey string             // as the exchange's type reads it
	Mandatory  bool               // to be returned when no queue gets it
	Properties wire.RawProperties // lent
	Body       []byte             // lent
}

// Clone returns a copy that stays valid, one allocation for all its bytes
// besides its own.
func (p *Published) Clone() *Published {
	k := *p
	k.Properties, k.Body = cloneContent(p.Properties, p.Body)
	return &k
}
