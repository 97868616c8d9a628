package blocking

import (
	"cmp"
	"context"
	"log/slog"
	"net"

	"github.com/haypile/haypile/adapters/driver"
)

// WithLogger has l told what happens to the connection. Without it nothing is
// logged. Levels: Error when a connection has ended and will not come back by
// itself; Warn for what a person may want to look into (a loss, an attempt that
// failed, a channel that the broker closed, what could not be made again, a
// resource alarm); Info for the rest of a connection's life. No record is about a
// single message.
//
// Records carry the group "amqp" with the connection's name and virtual host, and
// no secret: errors never have one. The logger runs in the goroutine that runs
// AddCallbackThreadsafe's callbacks, or in Dial's.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.logger = l } }

// connLog writes a connection's records. nil writes none.
type connLog struct{ logger *slog.Logger }

// newConnLog names the connection in all its records.
func newConnLog(l *slog.Logger, p *Params) *connLog {
	if l == nil {
		return nil
	}
	attrs := []any{slog.String("vhost", cmp.Or(p.Client.VirtualHost, "/"))}
	if name, ok := p.Client.Properties["connection_name"].(string); ok {
		attrs = append(attrs, slog.String("name", name))
	}
	return &connLog{l.With(slog.Group("amqp", attrs...))}
}

func (l *connLog) write(level slog.Level, text string, attrs ...slog.Attr) {
	if l != nil {
		l.logger.LogAttrs(context.Background(), level, text, attrs...)
	}
}

// event writes what events tell, but for RecoveryFailed: then the connection ends,
// which is written anyway.
func (l *connLog) event(e Event) {
	switch e := e.(type) {
	case Lost:
		l.write(slog.LevelWarn, "connection lost", errAttr(e.Err))
	case AttemptFailed:
		l.attempt(e.Attempt)
	case Recovered:
		l.write(slog.LevelInfo, "connection recovered", slog.Duration("after", e.After))
	case EntityFailed:
		l.write(slog.LevelWarn, "not made again", slog.String("kind", e.Entity.Kind.String()), slog.String("entity", e.Entity.Name), errAttr(e.Err))
	case QueueRenamed:
		l.write(slog.LevelInfo, "queue renamed", slog.String("old", e.Old), slog.String("new", e.New))
	case ChannelReopened:
		l.write(slog.LevelWarn, "channel closed by the broker and opened again", errAttr(e.Err))
	case ChannelFailed:
		l.write(slog.LevelWarn, "channel closed", errAttr(e.Err))
	case HandlerFailed:
		l.write(slog.LevelWarn, "handler failed", slog.Bool("requeued", e.Requeued), errAttr(e.Err))
	case Blocked:
		l.write(slog.LevelWarn, "publishing blocked by the broker", slog.String("reason", e.Reason))
	case Unblocked:
		l.write(slog.LevelInfo, "publishing unblocked")
	}
}

func (l *connLog) attempt(a driver.Attempt) {
	l.write(slog.LevelWarn, "attempt to connect failed",
		slog.String("endpoint", a.Endpoint.String()), slog.String("address", a.Address), slog.String("phase", string(a.Phase)), errAttr(a.Err))
}

// opened is written when the connection is open for the first time.
func (l *connLog) opened(remote net.Addr) {
	if l == nil {
		return
	}
	var where string
	if remote != nil {
		where = remote.String()
	}
	l.write(slog.LevelInfo, "connected", slog.String("remote", where))
}

// closed is written at the end; asked tells that it is by our Close.
func (l *connLog) closed(err error, asked bool) {
	switch {
	case err == nil:
		l.write(slog.LevelInfo, "connection closed")
	case asked:
		l.write(slog.LevelInfo, "connection closed", errAttr(err))
	default:
		l.write(slog.LevelError, "connection ended", errAttr(err))
	}
}

func errAttr(err error) slog.Attr { return slog.Any("error", err) }
