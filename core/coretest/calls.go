package coretest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// create makes the Conn of a script.
func (p *player) create(kind, text string) error {
	s := scanner{text: "{" + text + "}"}
	options, _ := s.value().(wire.Table)
	if s.err != nil {
		return s.err
	}
	var err error
	if kind == "server" {
		err = p.createServer(options)
	} else {
		err = p.createClient(options)
	}
	if err != nil {
		return err
	}
	return p.conn.Start(p.now)
}

func number[T int64 | int | uint16 | uint32](options wire.Table, name string) T {
	n, _ := options[name].(int)
	return T(n)
}

func duration(options wire.Table, name string) time.Duration {
	text, _ := options[name].(string)
	d, err := time.ParseDuration(text)
	if err != nil && text == "off" {
		return core.Off
	}
	return d
}

func (p *player) createClient(o wire.Table) (err error) {
	serial, _ := o["serial"].(bool)
	p.conn, err = core.NewClient(core.ClientConfig{
		Host: "rabbit:5672", Serial: serial,
		ChannelMax: number[uint16](o, "channel-max"), FrameMax: number[uint32](o, "frame-max"),
		Heartbeat: duration(o, "heartbeat"), BlockedTimeout: duration(o, "blocked-timeout"),
		MaxMessage: number[int64](o, "max-message"), MaxBuffered: number[int](o, "max-buffered"),
	}, p.rec.Client())
	return err
}

func (p *player) createServer(o wire.Table) (err error) {
	decide, _ := o["decide"].(bool)
	p.isServer = true
	p.conn, err = core.NewServer(core.ServerConfig{
		Host:       "client:40000",
		ChannelMax: number[uint16](o, "channel-max"), FrameMax: number[uint32](o, "frame-max"),
		Heartbeat:  duration(o, "heartbeat"),
		MaxMessage: number[int64](o, "max-message"), MaxBuffered: number[int](o, "max-buffered"),
	}, &openingServer{p.rec.Server(!decide), p})
	return err
}

// openingServer keeps the channels for later commands.
type openingServer struct {
	core.ServerHandler
	p *player
}

func (s *openingServer) OnChannel(c *core.Conn, ch *core.Channel) core.ServerChannelHandler {
	s.p.channels[ch.Number()] = ch
	return s.ServerHandler.OnChannel(c, ch)
}

// open plays the peer's part of the handshake and forgets what was sent in it.
func (p *player) open(text string) error {
	tune := " channel-max=2047 frame-max=131072 heartbeat=60 "
	lines := []string{
		"0 connection.start version-minor=9 mechanisms=PLAIN locales=en_US server-properties={product=Broker}",
		"0 connection.tune" + tune + text,
		"0 connection.open-ok",
	}
	if p.isServer {
		lines = []string{
			"header",
			`0 connection.start-ok mechanism=PLAIN response="\x00guest\x00guest" locale=en_US client-properties={capabilities={connection.blocked=true authentication_failure_close=true}}`,
			"0 connection.tune-ok" + tune + text,
			`0 connection.open virtual-host="/"`,
		}
	}
	for _, line := range lines {
		if err := p.peer(line); err != nil {
			return err
		}
	}
	p.flush()
	p.out = nil
	if p.conn.State() != core.StateOpen {
		return fmt.Errorf("the connection is %s: %v", p.conn.State(), p.conn.Err())
	}
	return nil
}

// user makes a call. Its error is an answer.
func (p *player) user(text string) error {
	err, mistake := p.call(text)
	if err != nil {
		p.errs = append(p.errs, "error "+err.Error())
	}
	return mistake
}

func (p *player) call(text string) (err, mistake error) {
	verb, rest, _ := strings.Cut(text, " ")
	code, reason, _ := strings.Cut(rest, " ")
	status, _ := strconv.Atoi(code)
	switch verb {
	case "open-channel":
		ch, err := p.conn.OpenChannel(p.rec.Channel())
		if err == nil {
			p.channels[ch.Number()] = ch
		}
		return err, nil
	case "accept":
		return p.conn.Accept(), nil
	case "refuse":
		return p.conn.Refuse(wire.Code(status), reason), nil
	case "challenge":
		return p.conn.Challenge([]byte(rest)), nil
	case "block":
		return p.conn.Block(rest), nil
	case "unblock":
		return p.conn.Unblock(), nil
	}
	n, err := strconv.ParseUint(verb, 10, 16)
	if err != nil || n > math.MaxUint16 {
		return nil, fmt.Errorf("%q is no call", verb)
	}
	if n == 0 {
		return p.connectionCall(rest)
	}
	ch := p.channels[uint16(n)]
	if ch == nil {
		return nil, fmt.Errorf("no channel %d was opened", n)
	}
	return p.channelCall(ch, rest)
}

func (p *player) connectionCall(text string) (err, mistake error) {
	if rest, ok := strings.CutPrefix(text, "fail "); ok {
		code, reason, _ := strings.Cut(rest, " ")
		status, err := strconv.Atoi(code)
		return p.conn.Fail(wire.Code(status), reason, 0), err
	}
	m, err := Parse(text)
	if err != nil {
		return nil, err
	}
	switch m := m.Method.(type) {
	case *wire.ConnectionClose:
		return p.conn.Close(m.ReplyCode, m.ReplyText), nil
	case *wire.ConnectionUpdateSecret:
		return p.conn.UpdateSecret(m.NewSecret, m.Reason, func(err error) { p.rec.Note("update-secret: %v", err) }), nil
	}
	return nil, fmt.Errorf("no call sends %s", m.Method.ID())
}

func (p *player) channelCall(ch *core.Channel, text string) (err, mistake error) {
	verb, rest, _ := strings.Cut(text, " ")
	if verb == "fail" {
		code, reason, _ := strings.Cut(rest, " ")
		status, mistake := strconv.Atoi(code)
		return ch.Fail(wire.Code(status), reason, 0), mistake
	}
	variant := ""
	if verb == "stream" || verb == "loan" {
		variant, text = verb, rest
	}
	m, mistake := Parse(text)
	if mistake != nil {
		return nil, mistake
	}
	if close, ok := m.Method.(*wire.ChannelClose); ok {
		return ch.Close(close.ReplyCode, close.ReplyText), nil
	}
	if p.isServer {
		return p.serverCall(ch, m), nil
	}
	return p.clientCall(ch, m, variant)
}

func (p *player) serverCall(ch *core.Channel, m *Message) error {
	content := &core.Content{RawProperties: m.Properties, Body: m.Body}
	switch m := m.Method.(type) {
	case *wire.BasicDeliver:
		return ch.Deliver(m, content)
	case *wire.BasicReturn:
		return ch.Return(m, content)
	case *wire.BasicGetOk:
		return ch.GetOk(m, content)
	default:
		return ch.Send(m)
	}
}

func (p *player) clientCall(ch *core.Channel, m *Message, variant string) (err, mistake error) {
	r := &p.rec
	switch q := m.Method.(type) {
	case *wire.BasicPublish:
		return p.publish(ch, q, m, variant), nil
	case *wire.BasicConsume:
		if variant == "stream" {
			return ch.ConsumeStream(q, r.Stream(), asked(q, Reply[*wire.BasicConsumeOk](r, ch))), nil
		}
		return ch.Consume(q, r.Delivery, asked(q, Reply[*wire.BasicConsumeOk](r, ch))), nil
	case *wire.BasicGet:
		return ch.Get(q, r.Got), nil
	case *wire.BasicAck:
		return ch.Ack(q.DeliveryTag, q.Multiple), nil
	case *wire.BasicNack:
		return ch.Nack(q.DeliveryTag, q.Multiple, q.Requeue), nil
	case *wire.BasicReject:
		return ch.Reject(q.DeliveryTag, q.Requeue), nil
	}
	return p.request(ch, m.Method)
}

func (p *player) publish(ch *core.Channel, q *wire.BasicPublish, m *Message, variant string) (err error) {
	publishing := &core.Publishing{Exchange: q.Exchange, RoutingKey: q.RoutingKey, Mandatory: q.Mandatory, RawProperties: m.Properties, Body: m.Body}
	var seq uint64
	if variant == "loan" {
		seq, err = ch.PublishLoan(publishing, func(err error) { p.rec.Note("%d loan returned: %v", ch.Number(), err) })
	} else {
		seq, err = ch.Publish(publishing)
	}
	if err == nil && seq > 0 {
		p.errs = append(p.errs, fmt.Sprintf("publish %d", seq))
	}
	return err
}

// asked is the callback, or none for a request without a reply.
func asked[R wire.Method](req *wire.BasicConsume, done func(R, error)) func(R, error) {
	if req.NoWait {
		return nil
	}
	return done
}

// request sends any other request.
func (p *player) request(ch *core.Channel, m wire.Method) (err, mistake error) {
	switch q := m.(type) {
	case *wire.ExchangeDeclare:
		return call(p, ch, q, q.NoWait), nil
	case *wire.ExchangeDelete:
		return call(p, ch, q, q.NoWait), nil
	case *wire.ExchangeBind:
		return call(p, ch, q, q.NoWait), nil
	case *wire.ExchangeUnbind:
		return call(p, ch, q, q.NoWait), nil
	case *wire.QueueDeclare:
		return call(p, ch, q, q.NoWait), nil
	case *wire.QueueBind:
		return call(p, ch, q, q.NoWait), nil
	case *wire.QueueUnbind:
		return call(p, ch, q, false), nil
	case *wire.QueuePurge:
		return call(p, ch, q, q.NoWait), nil
	case *wire.QueueDelete:
		return call(p, ch, q, q.NoWait), nil
	case *wire.BasicQos:
		return call(p, ch, q, false), nil
	case *wire.BasicCancel:
		return call(p, ch, q, q.NoWait), nil
	case *wire.BasicRecover:
		return call(p, ch, q, false), nil
	case *wire.ConfirmSelect:
		return call(p, ch, q, q.NoWait), nil
	case *wire.TxSelect:
		return call(p, ch, q, false), nil
	case *wire.TxCommit:
		return call(p, ch, q, false), nil
	case *wire.TxRollback:
		return call(p, ch, q, false), nil
	case *wire.ChannelFlow:
		return call(p, ch, q, false), nil
	}
	return nil, fmt.Errorf("no call sends %s", m.ID())
}

func call[R wire.Method](p *player, ch *core.Channel, req wire.Request[R], noWait bool) error {
	if noWait {
		return core.Call(ch, req, nil)
	}
	return core.Call(ch, req, Reply[R](&p.rec, ch))
}
