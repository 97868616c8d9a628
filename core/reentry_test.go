package core_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// meddler is a client's handler that does something inside one callback.
type meddler struct {
	b     *bench
	where string
	do    func()
	ch    *core.Channel
	ended map[string]int // how often each end was told
}

func (m *meddler) in(callback string) {
	if callback == m.where {
		m.do()
	}
}

func (m *meddler) end(what string) {
	m.ended[what]++
	m.in(what)
}

func (m *meddler) OnOpen(*core.Conn)                  { m.in("open") }
func (m *meddler) OnBlocked(*core.Conn, bool, string) { m.in("blocked") }
func (m *meddler) OnWritable(*core.Conn)              { m.in("writable") }
func (m *meddler) OnClose(*core.Conn, error)          { m.end("connection close") }
func (m *meddler) OnBegin(*core.Delivery, uint64)     { m.in("begin") }
func (m *meddler) OnChunk([]byte)                     { m.in("chunk") }
func (m *meddler) OnEnd(error)                        { m.end("stream end") }

type meddlerChannel struct {
	core.NopChannel
	m *meddler
}

func (c meddlerChannel) OnClose(*core.Channel, error) { c.m.end("channel close") }

// play has a broker say everything that makes a callback run, and breaks off in
// the middle of a streamed message.
func (m *meddler) play(t *testing.T) {
	b := m.b
	b.method(0, start(), &wire.ConnectionTune{FrameMax: 4096}, &wire.ConnectionOpenOk{})
	if m.ch, _ = b.c.OpenChannel(meddlerChannel{m: m}); m.ch == nil {
		b.c.Lost(nil, b.now)
		return
	}
	body := make([]byte, 5000)
	m.ch.PublishLoan(&core.Publishing{Body: body}, func(error) { m.end("release") })
	m.ch.Publish(&core.Publishing{}) // ErrBackpressure
	m.ch.ConsumeStream(&wire.BasicConsume{ConsumerTag: "s"}, m, func(*wire.BasicConsumeOk, error) { m.end("consume") })
	m.ch.Get(&wire.BasicGet{}, func(*core.Delivery, error) { m.end("get") })
	b.c.UpdateSecret(wire.NewSecret("s"), "", func(error) { m.end("secret") })
	b.flush()
	b.method(1, &wire.ChannelOpenOk{}, &wire.BasicConsumeOk{ConsumerTag: "s"}, &wire.BasicGetOk{}, "got", &wire.BasicDeliver{ConsumerTag: "s"}, "streamed")
	b.method(0, &wire.ConnectionBlocked{}, &wire.ConnectionUnblocked{}, &wire.ConnectionUpdateSecretOk{})
	p := frames(t, 1, &wire.BasicDeliver{ConsumerTag: "s"}, string(body))
	b.feed(p[:len(p)-1000])
	b.c.Lost(errors.New("reset"), b.now)
}

func newMeddler(t *testing.T, where string, s split) *meddler {
	m := &meddler{where: where, ended: map[string]int{}}
	c, err := core.NewClient(core.ClientConfig{MaxBuffered: 4000}, m)
	ok(t, err)
	m.b = &bench{t: t, c: c, now: epoch, split: s}
	ok(t, c.Start(epoch))
	return m
}

// deeds are what a callback may do to a connection.
func (m *meddler) deeds() map[string]func() {
	return map[string]func(){
		"closes the channel": func() {
			if m.ch != nil {
				m.ch.Close(0, "")
			}
		},
		"closes the connection": func() { m.b.c.Close(0, "") },
		"opens and publishes": func() {
			if ch, err := m.b.c.OpenChannel(nil); err == nil {
				ch.PublishLoan(&core.Publishing{Body: make([]byte, 5000)}, func(error) {})
				ch.Publish(&core.Publishing{Body: make([]byte, 5000)})
			}
		},
	}
}

var callbacks = []string{
	"open", "blocked", "writable", "begin", "chunk", "stream end", "channel close", "release", "consume", "get", "secret", "connection close",
}

func TestCallbacksMayDoWhatTheyLike(t *testing.T) {
	for _, where := range callbacks {
		for what := range newMeddler(t, where, whole).deeds() {
			t.Run(where+" "+what, func(t *testing.T) {
				inEverySplit(t, func(t *testing.T, s split) {
					m := newMeddler(t, where, s)
					m.do = m.deeds()[what]
					m.play(t)
					for _, end := range []string{"connection close", "channel close", "release", "consume", "get", "secret"} {
						if n := m.ended[end]; n != 1 && m.ch != nil {
							t.Errorf("%s: told %d times", end, n)
						}
					}
					if !m.b.c.Finished() || m.b.c.Buffered() != 0 {
						t.Error("not finished")
					}
				})
			})
		}
	}
}

func TestAPanicInAnyCallbackLetsLostTellTheRest(t *testing.T) {
	for _, where := range callbacks {
		t.Run(where, func(t *testing.T) {
			m := newMeddler(t, where, whole)
			m.do = func() { panic("in " + where) }
			v := recovered(func() { m.play(t) })
			if v != "in "+where {
				t.Fatalf("recovered %v", v)
			}
			m.where = ""
			m.b.c.Lost(nil, m.b.now)
			for _, end := range []string{"connection close", "channel close", "release", "consume", "get", "secret"} {
				if n := m.ended[end]; n != 1 && m.ch != nil {
					t.Errorf("%s: told %d times", end, n)
				}
			}
			if !m.b.c.Finished() {
				t.Error("not finished")
			}
		})
	}
}

// meddlingServer is a server's handler that does something inside one callback.
type meddlingServer struct {
	where  string
	do     func(c *core.Conn, ch *core.Channel)
	ch     *core.Channel
	ran    bool
	closed int
	ended  int // channels
	opened int
}

func (m *meddlingServer) in(callback string, c *core.Conn, ch *core.Channel) {
	if callback == m.where {
		m.ran = true
		m.do(c, ch)
	}
}

func (m *meddlingServer) OnAuth(c *core.Conn, _ string, _ wire.Secret) {
	m.in("auth", c, nil)
	c.Accept()
}

func (m *meddlingServer) OnOpen(c *core.Conn, _ string) {
	m.in("open", c, nil)
	c.Accept()
}

func (m *meddlingServer) OnUpdateSecret(c *core.Conn, _ wire.Secret, _ string) {
	m.in("secret", c, m.ch)
	c.Accept()
}

func (m *meddlingServer) OnChannel(c *core.Conn, ch *core.Channel) core.ServerChannelHandler {
	m.ch = ch
	m.opened++
	m.in("channel", c, ch)
	return meddlingServerChannel{m}
}

func (m *meddlingServer) OnWritable(c *core.Conn) { m.in("writable", c, m.ch) }

func (m *meddlingServer) OnClose(c *core.Conn, _ error) {
	m.closed++
	m.in("connection close", c, m.ch)
}

type meddlingServerChannel struct{ m *meddlingServer }

func (h meddlingServerChannel) OnMethod(ch *core.Channel, m wire.Method) {
	h.m.in("method", ch.Conn(), ch)
	ch.Send(&wire.BasicQosOk{})
}

func (h meddlingServerChannel) OnPublish(ch *core.Channel, p *core.Published) {
	h.m.in("publish", ch.Conn(), ch)
	for range 2 { // the second is ErrBackpressure
		ch.Deliver(&wire.BasicDeliver{}, &core.Content{Body: make([]byte, 2000)})
	}
}

func (h meddlingServerChannel) OnClose(ch *core.Channel, _ error) {
	h.m.ended++
	h.m.in("channel close", ch.Conn(), ch)
}

func TestCallbacksOfAServerMayDoWhatTheyLike(t *testing.T) {
	deeds := map[string]func(c *core.Conn, ch *core.Channel){
		"closes the connection": func(c *core.Conn, _ *core.Channel) { c.Close(wire.ConnectionForced, "") },
		"fails the connection":  func(c *core.Conn, _ *core.Channel) { c.Fail(wire.InternalError, "", 0) },
		"refuses":               func(c *core.Conn, _ *core.Channel) { c.Refuse(wire.NotAllowed, "") },
		"closes the channel": func(_ *core.Conn, ch *core.Channel) {
			if ch != nil {
				ch.Close(0, "")
			}
		},
		"fails the channel": func(_ *core.Conn, ch *core.Channel) {
			if ch != nil {
				ch.Fail(wire.NotFound, "", 0)
			}
		},
	}
	for _, where := range []string{"auth", "open", "secret", "channel", "method", "publish", "writable", "channel close", "connection close"} {
		for what, do := range deeds {
			t.Run(fmt.Sprintf("%s %s", where, what), func(t *testing.T) {
				inEverySplit(t, func(t *testing.T, s split) {
					m := &meddlingServer{where: where, do: do}
					c, err := core.NewServer(core.ServerConfig{MaxBuffered: 1500}, m)
					ok(t, err)
					b := &bench{t: t, c: c, now: epoch, split: s}
					ok(t, c.Start(epoch))
					b.method(0, []byte(wire.ProtocolHeader), startOk, tuneOk, open)
					b.method(1, &wire.ChannelOpen{}, &wire.BasicQos{}, &wire.BasicPublish{}, "x")
					b.method(0, &wire.ConnectionUpdateSecret{})
					b.method(1, &wire.BasicQos{}, &wire.ChannelClose{})
					b.method(0, &wire.ConnectionClose{})
					c.Lost(nil, b.now)
					if !m.ran || m.closed != 1 || m.ended != m.opened || !c.Finished() {
						t.Errorf("done %v, of %d channels %d ended, OnClose ran %d times, finished %v", m.ran, m.opened, m.ended, m.closed, c.Finished())
					}
				})
			})
		}
	}
}
