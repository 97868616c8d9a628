package differential

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/haypile/haypile/core/wire"
)

// names are those that the server made up for one script, and its virtual host.
type names struct {
	vhost string

	mu      sync.Mutex
	numbers map[string]string // by the real one
	real    map[string]string // by the numbered one
	counts  map[string]int    // by prefix
}

func newNames(vhost string) *names {
	return &names{vhost: vhost, numbers: map[string]string{}, real: map[string]string{}, counts: map[string]int{}}
}

var (
	madeUp   = regexp.MustCompile(`(amq\.gen-|amq\.ctag-|amq\.rabbitmq\.reply-to\.)[A-Za-z0-9+/=_.-]{16,}`)
	numbered = regexp.MustCompile(`(amq\.gen-|amq\.ctag-|amq\.rabbitmq\.reply-to\.)\d+\b`)
	quoted   = regexp.MustCompile(`"((?:amq\.gen-|amq\.ctag-|amq\.rabbitmq\.reply-to\.)\d+)"`)
)

// hide makes an answer equal.
func (n *names) hide(line string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	line = madeUp.ReplaceAllStringFunc(line, func(name string) string {
		if n.numbers[name] == "" {
			prefix := madeUp.FindStringSubmatch(name)[1]
			n.counts[prefix]++
			n.numbers[name] = fmt.Sprintf("%s%d", prefix, n.counts[prefix])
			n.real[n.numbers[name]] = name
		}
		return n.numbers[name]
	})
	line = quoted.ReplaceAllString(line, "$1")
	return strings.ReplaceAll(line, n.vhost, "/")
}

// show makes a command real.
func (n *names) show(command string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return numbered.ReplaceAllStringFunc(command, func(name string) string {
		if real := n.real[name]; real != "" {
			return real
		}
		return name
	})
}

// answers are the lines of what came on one connection, with the order made
// equal that a server may choose.
func answers(events []event, n *names) []string {
	lines := make([]string, len(events))
	for i, e := range events { // in the order in which names are given
		lines[i] = n.hide(formatEvent(e))
	}
	type line struct {
		channel uint16
		class   int
		text    string
	}
	var all []line
	settled := map[uint16]confirms{}
	for i, e := range events {
		class := 0
		switch e.method.(type) {
		case *wire.BasicAck:
			c := confirmsOf(settled, e.channel)
			c["ack"] = append(c["ack"], e.settled...)
			continue
		case *wire.BasicNack:
			c := confirmsOf(settled, e.channel)
			c["nack"] = append(c["nack"], e.settled...)
			continue
		case *wire.BasicCancel:
			class = 2
		}
		all = append(all, line{e.channel, class, lines[i]})
	}
	for channel, c := range settled {
		all = append(all, line{channel, 1, fmt.Sprintf("<- %d confirms%s", channel, c)})
	}
	slices.SortStableFunc(all, func(a, b line) int {
		return cmp.Or(cmp.Compare(place(a.channel), place(b.channel)), cmp.Compare(a.class, b.class))
	})
	out := make([]string, len(all))
	for i := range all {
		out[i] = all[i].text
	}
	return out
}

// place sorts the connection's own events behind those of channels: after the
// end of the connection nothing comes.
func place(channel uint16) int {
	if channel == 0 {
		return 1 << 16
	}
	return int(channel)
}

// confirms are the numbers that were settled on one channel.
type confirms map[string][]uint64

func confirmsOf(all map[uint16]confirms, channel uint16) confirms {
	if all[channel] == nil {
		all[channel] = confirms{}
	}
	return all[channel]
}

func (c confirms) String() string {
	var b strings.Builder
	for _, how := range slices.Sorted(maps.Keys(c)) {
		slices.Sort(c[how])
		b.WriteString(" " + how + "=" + strings.Trim(strings.ReplaceAll(fmt.Sprint(c[how]), " ", ","), "[]"))
	}
	return b.String()
}
