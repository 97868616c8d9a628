package differential

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/test/rabbitmq"
)

func TestMain(m *testing.M) {
	// Scripts mostly wait, so more of them run at a time than there are processors.
	flag.Set("test.parallel", strconv.Itoa(2*vhosts))
	rabbitmq.Main(m)
}

var record = flag.Bool("record", false, "write the answers of RabbitMQ into the scripts")

// vhosts is how many virtual hosts the scripts share, one at a time each.
const vhosts = 12

// TestRabbitMQ plays the corpus against a real node.
func TestRabbitMQ(t *testing.T) {
	node := rabbitmq.Start(t, rabbitmq.WithTLS(), rabbitmq.WithInstalledPlugins())
	free := prepare(t, node) // those that no script uses at the moment
	for _, s := range corpus(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			vhost := <-free
			defer func() { free <- vhost }()
			p := newPlayer(server{vhost: vhost, dial: func() (net.Conn, error) { return net.Dial("tcp", node.Addr()) }}, *record)
			played, err := p.play(s.steps)
			p.clean(t)
			if err != nil {
				t.Fatalf("%s: %v", s.file, err)
			}
			if !*record {
				compare(t, s, s.steps, played)
				return
			}
			if err := os.WriteFile(s.file, []byte(format(played)), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// user is one of those that scripts connect as, with his name for a password.
type user struct{ name, configure, write, read string }

// users of every virtual host, beside guest, who may do everything.
var users = []user{
	{"limited", "^own-.*", "^(own-.*|amq.default)$", "^own-.*"},
	{"reader", "^$", "^$", ".*"},
	{"writer", "^$", ".*", "^$"},
	{"configurer", ".*", "^$", "^$"},
}

// stranger is a user with permissions in no virtual host.
const stranger = "stranger"

// prepare makes the users and the virtual hosts and returns the latter.
func prepare(t *testing.T, node *rabbitmq.Node) chan string {
	t.Helper()
	free := make(chan string, vhosts)
	var all []string
	for i := range vhosts {
		name := fmt.Sprintf("differential-%d", i+1)
		all = append(all, fmt.Sprintf("<<%q>>", name))
		free <- name
	}
	var b strings.Builder
	b.WriteString("A = <<\"test\">>,")
	for _, u := range users {
		fmt.Fprintf(&b, "rabbit_auth_backend_internal:add_user(<<%q>>, <<%q>>, A),", u.name, u.name)
	}
	fmt.Fprintf(&b, "rabbit_auth_backend_internal:add_user(<<%q>>, <<%q>>, A),", stranger, stranger)
	b.WriteString("lists:foreach(fun(V) -> rabbit_vhost:add(V, A)")
	for _, u := range append(slices.Clone(users), user{"guest", ".*", ".*", ".*"}) {
		fmt.Fprintf(&b, ", rabbit_auth_backend_internal:set_permissions(<<%q>>, V, <<%q>>, <<%q>>, <<%q>>, A)", u.name, u.configure, u.write, u.read)
	}
	fmt.Fprintf(&b, " end, [%s]).", strings.Join(all, ","))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if _, err := node.Eval(ctx, b.String()); err != nil {
		t.Fatal(err)
	}
	return free
}

// clean removes what the script may have left in its virtual host.
func (p *player) clean(t *testing.T) {
	p.peers, p.bound = nil, *bound
	if err := p.connect("channels=0"); err != nil {
		t.Fatal(err)
	}
	c := p.peers[0]
	defer c.close()
	for what := range p.left {
		kind, name, _ := strings.Cut(what, " ")
		if name == "" || strings.HasPrefix(name, "amq.") {
			continue
		}
		var m wire.Method = &wire.QueueDelete{Queue: name}
		if kind == "exchange" {
			m = &wire.ExchangeDelete{Exchange: name}
		}
		for deadline := time.Now().Add(*bound); !p.removed(t, c, m); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s cannot be removed", what)
			}
		}
	}
}

// removed tells whether it succeeded: a queue is locked until the connection that
// it was exclusive to has ended on the server's side.
func (p *player) removed(t *testing.T, c *peer, m wire.Method) bool {
	requests := []wire.Method{m}
	if !c.opened(1) {
		requests = []wire.Method{&wire.ChannelOpen{}, m}
	}
	for _, m := range requests {
		if err := c.send(1, m); err != nil {
			t.Fatal(err)
		}
	}
	if !p.wait(*bound, func() bool { return c.last(m.ID()+1, 1) || c.last(wire.ChannelCloseID, 1) }) {
		t.Fatalf("no answer to a %s", m.ID())
	}
	defer c.drop(len(c.peek()))
	return c.last(m.ID()+1, 1)
}

// compare tells the first answers that differ.
func compare(t *testing.T, s script, want, got []step) {
	t.Helper()
	for i := range want {
		if w, g := want[i].answers, got[i].answers; !slices.Equal(w, g) {
			t.Errorf("%s:%d: %s\nanswered\n\t%s\nwant\n\t%s", s.file, want[i].line, want[i].text, strings.Join(g, "\n\t"), strings.Join(w, "\n\t"))
			return
		}
	}
}
