package core

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/haypile/haypile/core/wire"
)

// ServerConfig is what a server brings to a connection. Zero fields mean the
// default.
type ServerConfig struct {
	// Host labels the peer in errors, such as its address.
	Host string
	// Mechanisms are the names of the ways to authenticate that are on offer;
	// ServerHandler.OnAuth must understand all of them. Default: PLAIN and
	// AMQPLAIN.
	Mechanisms []string
	// Locales are the locales on offer, separated by spaces. Default "en_US".
	Locales string
	// Properties are merged over the server properties that are sent anyway
	// (product, version, platform, capabilities), key by key; a table under
	// "capabilities" is merged likewise.
	Properties wire.Table

	// ChannelMax is the highest channel number that is offered, 1 to 65535. The
	// client may settle for less. Default 2047.
	ChannelMax uint16
	// FrameMax is the largest frame that is offered, 4096 to 2^31-1 bytes. The
	// client may settle for less. Default 128 KiB.
	FrameMax uint32
	// InitialFrameMax bounds frames of clients that are not authenticated, in
	// bytes; at least 4096. Default 8192.
	InitialFrameMax uint32
	// Heartbeat is the interval to propose, in whole seconds up to 65535; Off
	// for none. The client decides. Default 60 s.
	Heartbeat time.Duration

	// HandshakeTimeout bounds Start to Accept of the virtual host. Off for none.
	// Default 10 s.
	HandshakeTimeout time.Duration
	// CloseTimeout bounds the wait for the answer to a close, of the connection
	// and of each channel. Off for none. Default 5 s.
	CloseTimeout time.Duration

	// MaxMessage bounds the body of a publish, in bytes. A larger one closes its
	// channel. Messages that have begun to come on several channels share it,
	// beyond 64 KiB for each. Default 128 MiB.
	MaxMessage int64
	// MaxBuffered bounds the output that waits in the Conn, in bytes: above it,
	// Deliver, Return and GetOk return ErrBackpressure. Methods without content
	// are always accepted, but a client that leaves more than that of them (at
	// least 1 MiB) unread is closed with 506. Unbounded lets 16 MiB of them wait.
	// Default 16 MiB.
	MaxBuffered int

	// Trace, if set, is told of every frame that is sent or received. It must
	// not call the Conn. With it, acks of publishes leave one by one.
	Trace func(f *TraceFrame)
}

func (cfg ServerConfig) normalize() (ServerConfig, error) {
	fill(&cfg.Locales, "en_US")
	fill(&cfg.ChannelMax, DefaultChannelMax)
	fill(&cfg.FrameMax, DefaultFrameMax)
	fill(&cfg.InitialFrameMax, DefaultInitialFrameMax)
	fill(&cfg.Heartbeat, DefaultHeartbeat)
	fill(&cfg.HandshakeTimeout, DefaultHandshakeTimeout)
	fill(&cfg.CloseTimeout, DefaultCloseTimeout)
	fill(&cfg.MaxMessage, DefaultMaxMessage)
	fill(&cfg.MaxBuffered, DefaultMaxBuffered)
	if len(cfg.Mechanisms) == 0 {
		cfg.Mechanisms = []string{"PLAIN", "AMQPLAIN"}
	}
	return cfg, cfg.check()
}

func (cfg *ServerConfig) check() error {
	for _, m := range cfg.Mechanisms {
		if m == "" || len(m) > 255 || strings.ContainsAny(m, " \t\r\n") {
			return &ConfigError{"Mechanisms", fmt.Sprintf("%q", m), "names without spaces"}
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

func (cfg *ServerConfig) settings() settings {
	return settings{
		host:           cfg.Host,
		channelMax:     cfg.ChannelMax,
		frameMax:       cfg.FrameMax,
		closeTimeout:   cfg.CloseTimeout,
		blockedTimeout: Off,
		maxMessage:     cfg.MaxMessage,
		maxBuffered:    cfg.MaxBuffered,
		trace:          cfg.Trace,
	}
}
