package core

import (
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// Defaults of a ClientConfig or ServerConfig, used where a field is zero.
const (
	DefaultChannelMax       = 2047
	DefaultFrameMax         = 128 << 10
	DefaultInitialFrameMax  = 8192
	DefaultHeartbeat        = 60 * time.Second
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultCloseTimeout     = 5 * time.Second
	DefaultMaxMessage       = 128 << 20
	DefaultMaxBuffered      = 16 << 20
)

// Off switches a duration of a config off where zero means the default.
const Off time.Duration = -1

// Unbounded as MaxBuffered makes Publish accept everything.
const Unbounded = -1

// preTuneFrameMax bounds inbound frames before connection.tune.
const preTuneFrameMax = 128 << 10

// ClientConfig is what a client brings to a connection. The zero value is
// RabbitMQ's default user on virtual host "/". Zero fields mean the default.
type ClientConfig struct {
	// Host labels the peer in errors, such as "rabbit1:5672". Core never
	// resolves or dials it.
	Host string
	// VirtualHost is the virtual host to open, at most 255 bytes. Default "/".
	VirtualHost string
	// Mechanisms are the ways to authenticate, the preferred one first; the
	// first that the broker offers is used. Default: Plain("guest", "guest").
	Mechanisms []Mechanism
	// Locale of the broker's texts. Default "en_US", all that RabbitMQ knows.
	Locale string
	// Properties are merged over the client properties that are sent anyway
	// (product, version, platform, capabilities), key by key; a table under
	// "capabilities" is merged likewise. "connection_name" is shown by
	// RabbitMQ's tools.
	Properties wire.Table

	// ChannelMax asks for that many channels at most, 1 to 65535. The smaller
	// of ours and the broker's holds. Default 2047.
	ChannelMax uint16
	// FrameMax asks for frames of at most that many bytes, 4096 to 2^31-1;
	// RabbitMQ 4.1 and newer refuse less than 8192. The smaller of ours and the
	// broker's holds. Default 128 KiB.
	FrameMax uint32
	// InitialFrameMax bounds connection.start-ok, which is sent before the
	// broker's frame-max is known, in bytes; at least 4096. Raise it for long
	// OAuth tokens if the broker's initial frame-max is raised too. Default 8192.
	InitialFrameMax uint32
	// Heartbeat is the interval to ask for, in whole seconds up to 65535;
	// Off for none. It replaces what the broker proposes. Default 60 s.
	Heartbeat time.Duration
	// HeartbeatFunc, if set, decides the interval from the broker's proposal
	// (0: none proposed) and Heartbeat is not used. What it returns is in whole
	// seconds up to 65535; 0 or Off for none.
	HeartbeatFunc func(proposed time.Duration) time.Duration

	// HandshakeTimeout bounds Start to OnOpen. Off for none. Default 10 s.
	HandshakeTimeout time.Duration
	// CloseTimeout bounds the wait for the answer to a close, of the
	// connection and of each channel. Off for none. Default 5 s.
	CloseTimeout time.Duration
	// BlockedTimeout ends a connection that the broker keeps blocked for that
	// long, with ErrBlockedTimeout. Default Off.
	BlockedTimeout time.Duration

	// MaxMessage bounds an inbound body, in bytes. A larger one closes its
	// channel. Messages that have begun to come on several channels share it,
	// beyond 64 KiB for each. Default 128 MiB.
	MaxMessage int64
	// MaxBuffered bounds the output that waits in the Conn, in bytes: above
	// it, Publish returns ErrBackpressure. Everything but publishes is always
	// accepted. Unbounded is for embedders that do their own bounding by
	// Buffered, OnBlocked and IsBlocked: Publish then refuses only while a
	// channel's flow is off. Default 16 MiB.
	MaxBuffered int

	// Serial keeps one request outstanding at a time: after a request that has a
	// reply, everything else that is called is held back until the reply comes.
	// For brokers that cannot cope with pipelined requests; RabbitMQ can.
	Serial bool
	// Trace, if set, is told of every frame that is sent or received. It must
	// not call the Conn.
	Trace func(f *TraceFrame)
}

// Validate returns the error that NewClient would return for the config.
func (cfg ClientConfig) Validate() error {
	_, err := cfg.normalize()
	return err
}

// normalize returns a copy with the defaults filled in, or a *ConfigError.
func (cfg ClientConfig) normalize() (ClientConfig, error) {
	fill(&cfg.VirtualHost, "/")
	fill(&cfg.Locale, "en_US")
	fill(&cfg.ChannelMax, DefaultChannelMax)
	fill(&cfg.FrameMax, DefaultFrameMax)
	fill(&cfg.InitialFrameMax, DefaultInitialFrameMax)
	fill(&cfg.Heartbeat, DefaultHeartbeat)
	fill(&cfg.HandshakeTimeout, DefaultHandshakeTimeout)
	fill(&cfg.CloseTimeout, DefaultCloseTimeout)
	fill(&cfg.BlockedTimeout, Off)
	fill(&cfg.MaxMessage, DefaultMaxMessage)
	fill(&cfg.MaxBuffered, DefaultMaxBuffered)
	if len(cfg.Mechanisms) == 0 {
		cfg.Mechanisms = []Mechanism{Plain("guest", wire.NewSecret("guest"))}
	}
	return cfg, cfg.check()
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (cfg *ClientConfig) check() error {
	if len(cfg.VirtualHost) > 255 {
		return &ConfigError{"VirtualHost", fmt.Sprintf("%d bytes long", len(cfg.VirtualHost)), "at most 255 bytes"}
	}
	if len(cfg.Locale) > 255 {
		return &ConfigError{"Locale", fmt.Sprintf("%d bytes long", len(cfg.Locale)), "at most 255 bytes"}
	}
	for _, m := range cfg.Mechanisms {
		if m == nil {
			return &ConfigError{"Mechanisms", "nil", "set"}
		}
	}
	if cfg.InitialFrameMax < wire.FrameMinSize || cfg.InitialFrameMax > math.MaxInt32 {
		return &ConfigError{"InitialFrameMax", cfg.InitialFrameMax, "4096 to 2147483647 bytes"}
	}
	if err := checkHeartbeat("Heartbeat", cfg.Heartbeat); err != nil {
		return err
	}
	if err := cfg.Properties.Validate(); err != nil {
		return fmt.Errorf("amqp: Properties: %w", err)
	}
	s := cfg.settings()
	return s.check(cfg.HandshakeTimeout)
}

// check looks at what both roles have, the handshake's timeout among it.
func (s *settings) check(handshake time.Duration) error {
	if s.frameMax < wire.FrameMinSize || s.frameMax > math.MaxInt32 {
		return &ConfigError{"FrameMax", s.frameMax, "4096 to 2147483647 bytes"}
	}
	if s.maxMessage < 0 {
		return &ConfigError{"MaxMessage", s.maxMessage, "positive"}
	}
	if s.maxBuffered < Unbounded {
		return &ConfigError{"MaxBuffered", s.maxBuffered, "positive or Unbounded"}
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{
		{"HandshakeTimeout", handshake},
		{"CloseTimeout", s.closeTimeout},
		{"BlockedTimeout", s.blockedTimeout},
	} {
		if f.d < Off {
			return &ConfigError{f.name, f.d, "positive or Off"}
		}
	}
	return nil
}

// checkHeartbeat accepts what connection.tune-ok can carry: whole seconds in 16
// bits. Off and zero mean none.
func checkHeartbeat(field string, d time.Duration) error {
	if d == Off || d == 0 {
		return nil
	}
	if d < time.Second || d > math.MaxUint16*time.Second || d%time.Second != 0 {
		return &ConfigError{field, d, "whole seconds from 1s to 65535s, or Off"}
	}
	return nil
}

// settings are what both roles keep of their configs for as long as the
// connection lives.
type settings struct {
	host           string
	channelMax     uint16
	frameMax       uint32
	closeTimeout   time.Duration
	blockedTimeout time.Duration
	maxMessage     int64
	maxBuffered    int
	trace          func(*TraceFrame)
}

// maxAnswers bounds the answers that the peer leaves unread, in bytes.
func (s *settings) maxAnswers() int {
	const least = 1 << 20
	if s.maxBuffered == Unbounded {
		return DefaultMaxBuffered
	}
	return max(s.maxBuffered, least)
}

func (cfg *ClientConfig) settings() settings {
	return settings{
		host:           cfg.Host,
		channelMax:     cfg.ChannelMax,
		frameMax:       cfg.FrameMax,
		closeTimeout:   cfg.CloseTimeout,
		blockedTimeout: cfg.BlockedTimeout,
		maxMessage:     cfg.MaxMessage,
		maxBuffered:    cfg.MaxBuffered,
		trace:          cfg.Trace,
	}
}

// capabilities that this machine honours. It is read by all connections and never
// changed. https://www.rabbitmq.com/docs/connections#capabilities
var capabilities = wire.Table{
	"authentication_failure_close": true, "basic.nack": true, "connection.blocked": true,
	"consumer_cancel_notify": true, "consumer_priorities": true, "direct_reply_to": true,
	"exchange_exchange_bindings": true, "per_consumer_qos": true, "publisher_confirms": true,
}

// clientProperties are sent in connection.start-ok: ours, and the user's over
// them key by key. The user's tables are left as they are.
func (cfg *ClientConfig) clientProperties() wire.Table { return introduce(cfg.Properties) }

// introduce is what one side tells the other about itself: ours, and what is
// configured over it.
func introduce(configured wire.Table) wire.Table {
	props := wire.Table{
		"product":  "haypile",
		"version":  Version,
		"platform": "Go",
	}
	maps.Copy(props, configured)
	able := capabilities
	switch own := props["capabilities"].(type) {
	case wire.Table:
		able = merged(able, own)
	case map[string]any:
		able = merged(able, own)
	}
	props["capabilities"] = able
	return props
}

// merged is a copy of a table with another over it.
func merged(t, over wire.Table) wire.Table {
	t = maps.Clone(t)
	maps.Copy(t, over)
	return t
}
