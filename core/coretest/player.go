package coretest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/haypile/haypile/core"
	"github.com/haypile/haypile/core/wire"
)

// player is a Conn that a script talks to.
type player struct {
	conn     *core.Conn
	isServer bool
	rec      Recorder
	now      time.Time
	split    func([]byte) int
	stalled  bool
	finished bool
	out      []byte   // what was sent and is not yet described
	errs     []string // of calls
	channels map[uint16]*core.Channel
	when     []reaction
}

type reaction struct{ prefix, command string }

func newPlayer(split func([]byte) int) *player {
	p := &player{now: Epoch, split: split, channels: map[uint16]*core.Channel{}}
	p.rec.OnLine = p.react
	return p
}

// react runs the command that waits for a line.
func (p *player) react(line string) {
	for i, r := range p.when {
		if strings.HasPrefix(line, r.prefix) {
			p.when = append(p.when[:i:i], p.when[i+1:]...)
			verb, rest, _ := strings.Cut(r.command, " ")
			if verb != "user" {
				p.errs = append(p.errs, "error a callback can only play the user")
				return
			}
			if err := p.user(rest); err != nil {
				p.errs = append(p.errs, "error "+err.Error())
			}
			return
		}
	}
}

// command runs a line of the script. The error is a mistake of the script.
func (p *player) command(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	if p.conn == nil && verb != "client" && verb != "server" {
		return errors.New("a script begins with client or server")
	}
	switch verb {
	case "client", "server":
		return p.create(verb, rest)
	case "open":
		return p.open(rest)
	case "user":
		return p.user(rest)
	case "peer":
		return p.peer(rest)
	case "wait":
		return p.wait(rest)
	case "when":
		prefix, command, ok := strings.Cut(rest, ": ")
		if !ok {
			return errors.New("when what?")
		}
		p.when = append(p.when, reaction{prefix, command})
	case "stall", "drain":
		p.stalled = verb == "stall"
	case "pause", "resume":
		p.conn.SetReading(verb == "resume", p.now)
	case "lost":
		var err error
		if rest != "" {
			err = errors.New(rest)
		}
		p.conn.Lost(err, p.now)
	default:
		return fmt.Errorf("%q is no command", verb)
	}
	return nil
}

func (p *player) wait(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	for until := p.now.Add(d); ; {
		p.flush()
		next := p.conn.NextDeadline()
		if next.IsZero() || next.After(until) {
			p.now = until
			p.conn.Tick(p.now)
			return nil
		}
		p.now = later(p.now, next)
		p.conn.Tick(p.now)
	}
}

// peer feeds what the peer sends.
func (p *player) peer(text string) error {
	bytes, err := peerBytes(text)
	if err == nil {
		p.feed(bytes)
	}
	return err
}

func peerBytes(text string) ([]byte, error) {
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "header":
		return []byte(wire.ProtocolHeader), nil
	case "heartbeat":
		return []byte(wire.HeartbeatFrame), nil
	case "raw":
		return hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
	case "text":
		s, err := strconv.Unquote(rest)
		return []byte(s), err
	}
	channel, err := strconv.ParseUint(verb, 10, 16)
	if err != nil {
		return nil, err
	}
	alone, isAlone := strings.CutPrefix(rest, "alone ")
	m, err := Parse(alone)
	if err != nil {
		return nil, err
	}
	if isAlone {
		return wire.AppendMethodFrame(nil, uint16(channel), m.Method)
	}
	return m.frames(uint16(channel))
}

// feed gives bytes in pieces, each overwritten when Feed has returned.
func (p *player) feed(bytes []byte) {
	for len(bytes) > 0 {
		n := p.split(bytes)
		piece := append([]byte(nil), bytes[:n]...)
		p.conn.Feed(piece, p.now)
		for i := range piece {
			piece[i] = 0x55
		}
		bytes = bytes[n:]
		p.flush()
	}
}

// flush is the transport.
func (p *player) flush() {
	if p.stalled {
		return
	}
	n := 0
	for _, segment := range p.conn.Outbound(nil) {
		p.out = append(p.out, segment...)
		n += len(segment)
	}
	p.conn.Advance(n)
}

// answers are what has happened since the last time.
func (p *player) answers() []string {
	p.flush()
	var lines []string
	for _, line := range p.rec.Take() {
		lines = append(lines, "told "+line)
	}
	lines = append(lines, p.errs...)
	p.errs = nil
	lines = append(lines, p.describe()...)
	if !p.finished && p.conn.Finished() {
		p.finished = true
		lines = append(lines, "finished")
	}
	return lines
}

// describe reads what was sent.
func (p *player) describe() (lines []string) {
	if len(p.out) > 0 && p.out[0] == 'A' {
		lines = append(lines, fmt.Sprintf("-> header %q", p.out[:8]))
		p.out = p.out[8:]
	}
	for {
		line, n := describeOne(p.out)
		if n == 0 {
			break
		}
		lines = append(lines, "-> "+line)
		p.out = p.out[n:]
	}
	if len(p.out) > 0 {
		lines = append(lines, fmt.Sprintf("-> an incomplete message, %d bytes so far", len(p.out)))
	}
	return lines
}

// describeOne describes the first method with its content; n is its length on
// the wire, 0 if it is not whole.
func describeOne(p []byte) (line string, n int) {
	f, n, err := wire.ParseFrame(p, 0)
	if err != nil || n == 0 {
		return "", 0
	}
	if f.Type != wire.FrameMethod {
		return fmt.Sprintf("%d %s", f.Channel, f.Type), n
	}
	m, err := wire.Decode(f.Payload)
	if err != nil {
		return err.Error(), n
	}
	switch m := m.(type) { // what we say about ourselves differs from version to version
	case *wire.ConnectionStart:
		m.ServerProperties = nil
	case *wire.ConnectionStartOk:
		m.ClientProperties = nil
	}
	line = fmt.Sprintf("%d %s", f.Channel, Format(m))
	if !m.ID().HasContent() {
		return line, n
	}
	content, k := describeContent(p[n:])
	if k == 0 {
		return "", 0
	}
	return line + content, n + k
}

// describeContent describes a content header and its body; n is their length, 0
// if they are not whole.
func describeContent(p []byte) (text string, n int) {
	h, n, err := wire.ParseFrame(p, 0)
	if err != nil || n == 0 {
		return "", 0
	}
	_, size, props, err := wire.ParseContentHeader(h.Payload)
	if err != nil {
		return " " + err.Error(), n
	}
	if len(props) > 2 {
		text = " properties=" + FormatProperties(props)
	}
	var body []byte
	frames := 0
	for uint64(len(body)) < size {
		b, k, err := wire.ParseFrame(p[n:], 0)
		if err != nil || k == 0 {
			return "", 0
		}
		if b.Type != wire.FrameBody {
			return text + fmt.Sprintf(" body cut off, %d bytes of %d", len(body), size), n
		}
		body = append(body, b.Payload...)
		frames++
		n += k
	}
	text += " body=" + formatBody(body)
	if frames > 1 {
		text += fmt.Sprintf(" in %d frames", frames)
	}
	return text, n
}
