package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Node is a running RabbitMQ node. Its methods are for one goroutine at a time.
type Node struct {
	Name string // such as rabbit-1234@localhost
	Port int    // AMQP, on 127.0.0.1

	install    install
	dir        string
	ports      ports
	config     []string
	management bool
	tls        bool
	installed  bool   // has the installed home
	scripts    string // of its home; empty: the installed ones
	cookie     string // empty: one that the node makes up
	first      *Node  // of its cluster, whose port mapper it uses; nil: it has its own
	watchdog   *watchdog
	server     *exec.Cmd
	exited     chan struct{} // closed when server has ended
}

// Option configures a node.
type Option func(*Node)

// WithConfig adds lines to the node's rabbitmq.conf.
// https://www.rabbitmq.com/docs/configure
func WithConfig(lines ...string) Option {
	return func(n *Node) { n.config = append(n.config, lines...) }
}

// WithTLS has the node listen for TLS, too, see TLSURL. It asks clients for a
// certificate but needs none, and takes them as users by the mechanism EXTERNAL,
// if auth_mechanisms allows it.
// https://www.rabbitmq.com/docs/ssl
func WithTLS() Option {
	return func(n *Node) { n.tls = true }
}

// WithManagement has the node serve its management page and API, see
// ManagementURL.
// https://www.rabbitmq.com/docs/management
func WithManagement() Option {
	return func(n *Node) { n.management = true }
}

// WithInstalledPlugins has the node find all plugins that are installed, as nodes do
// that were not started for a test, and not only those that it runs. Starting then
// takes half as long again. Some of what a node does in no certain order, such as
// offering mechanisms, it does in another one then.
func WithInstalledPlugins() Option {
	return func(n *Node) { n.installed = true }
}

// User is the one whose name and password the URLs have, and whom the client's
// certificate names.
const User = "guest"

const (
	startTimeout = 4 * time.Minute // what takes 10 s on a machine that does nothing else
	stopTimeout  = 2 * time.Minute
	portTries    = 3
)

// Start starts a node for the test and removes it when the test ends. It fails
// the test when there is no RabbitMQ, or the node does not come up.
func Start(t testing.TB, opts ...Option) *Node {
	t.Helper()
	n, err := New(opts...)
	if err != nil {
		t.Fatal(err)
	}
	n.removeAfter(t)
	return n
}

// removeAfter removes the node when the test ends, which shows the log if it failed.
func (n *Node) removeAfter(t testing.TB) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the log of %s:\n%s", n.Name, n.logTail())
		}
		n.Remove()
	})
}

// New starts a node for programs and TestMain. Remove it at the end; should the
// program die before, that happens by itself.
func New(opts ...Option) (*Node, error) {
	in, err := findInstall()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		n, err := newNode(in, opts)
		if err != nil {
			return nil, err
		}
		if err = n.boot(); err == nil {
			return n, nil
		}
		lost := n.portLost()
		n.Remove()
		if !lost || try == portTries {
			return nil, err
		}
	}
}

func newNode(in install, opts []Option) (*Node, error) {
	dir, err := os.MkdirTemp("", "rabbitmq-test-")
	if err != nil {
		return nil, err
	}
	n := &Node{install: in, dir: dir}
	for _, opt := range opts {
		opt(n)
	}
	if err := n.prepare(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return n, nil
}

// prepare fills the folder and starts the watchdog over it.
func (n *Node) prepare() error {
	var err error
	if n.ports, err = freePorts(); err != nil {
		return err
	}
	if n.first != nil {
		n.ports.epmd = n.first.ports.epmd
	}
	n.Port = n.ports.amqp
	n.Name = fmt.Sprintf("rabbit-%d@localhost", n.Port)
	if err := n.writeFiles(); err != nil {
		return err
	}
	n.watchdog, err = watch(n.dir)
	return err
}

// boot starts epmd and the server and waits until it answers.
func (n *Node) boot() error {
	if n.first != nil {
		return n.startServer()
	}
	epmd := n.command(n.install.epmd, "-port", fmt.Sprint(n.ports.epmd), "-address", "127.0.0.1")
	if err := epmd.Start(); err != nil {
		return fmt.Errorf("rabbitmq: starting epmd: %w", err)
	}
	go epmd.Wait() // it ends when the watchdog kills it
	return n.startServer()
}

func (n *Node) startServer() error {
	before := n.startups()
	n.server = n.command(n.install.server)
	if err := n.server.Start(); err != nil {
		return fmt.Errorf("rabbitmq: starting the server: %w", err)
	}
	exited := make(chan struct{})
	n.exited = exited
	server := n.server
	go func() {
		server.Wait() // how it ended stands in the log
		close(exited)
	}()
	return n.awaitReady(before)
}

// awaitReady waits until the node greets AMQP clients and has started once more
// than before: it greets them before rabbitmqctl can do all that it can.
func (n *Node) awaitReady(before int) error {
	deadline := time.Now().Add(startTimeout)
	for n.startups() == before || !n.greets() {
		select {
		case <-n.exited:
			return fmt.Errorf("rabbitmq: node %s ended while starting:\n%s", n.Name, n.logTail())
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("rabbitmq: node %s did not start within %s:\n%s", n.Name, startTimeout, n.logTail())
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// startups is how often the node's log says that it has started.
func (n *Node) startups() int {
	text, err := os.ReadFile(n.path(logFile))
	if err != nil {
		return 0 // it has not begun
	}
	return strings.Count(string(text), "Server startup complete")
}

// listens tells that the node takes connections.
func (n *Node) listens() bool {
	conn, err := net.Dial("tcp", n.Addr())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// greets tells that a protocol header is answered by a method frame, which must
// be connection.start.
func (n *Node) greets() bool {
	conn, err := net.DialTimeout("tcp", n.Addr(), time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	conn.Write([]byte("AMQP\x00\x00\x09\x01"))
	first := make([]byte, 1)
	_, err = conn.Read(first)
	return err == nil && first[0] == 1
}

// portLost tells that somebody took one of the ports before the node did.
func (n *Node) portLost() bool {
	text := n.logTail()
	for _, reason := range []string{"eaddrinuse", "Address already in use", "dist_port_already_used"} {
		if strings.Contains(text, reason) {
			return true
		}
	}
	return false
}

// Addr is the node's AMQP address, host:port.
func (n *Node) Addr() string { return fmt.Sprintf("127.0.0.1:%d", n.Port) }

// URL is an AMQP URI of the default user and virtual host.
func (n *Node) URL() string { return "amqp://guest:guest@" + n.Addr() + "/" }

// TLSURL is URL for the listener of WithTLS. The query has the file of the
// authority that signed its certificate.
func (n *Node) TLSURL() string {
	return fmt.Sprintf("amqps://guest:guest@127.0.0.1:%d/?cacertfile=%s", n.ports.tls, url.QueryEscape(n.path("ca.pem")))
}

// ManagementURL is where WithManagement has the page, without a slash at the end.
// The API is under /api, for User with the password of the same name.
func (n *Node) ManagementURL() string { return fmt.Sprintf("http://127.0.0.1:%d", n.ports.http) }

// ClientCert are the files of a certificate that names User, and its key.
func (n *Node) ClientCert() (cert, key string) { return n.path(User + ".pem"), n.path(User + ".key") }

// Stop stops the node in good order; its data stays for Restart.
func (n *Node) Stop() error {
	if err := terminate(n.server); err != nil {
		return fmt.Errorf("rabbitmq: stopping %s: %w", n.Name, err)
	}
	return n.awaitEnd()
}

// Kill kills the node as kill -9 does; its data stays for Restart.
func (n *Node) Kill() error {
	if err := kill(n.server); err != nil {
		return fmt.Errorf("rabbitmq: killing %s: %w", n.Name, err)
	}
	return n.awaitEnd()
}

// awaitEnd waits until the node takes no connections any more, so that it can be
// started on its ports again: what has exited first is only the script around it.
func (n *Node) awaitEnd() error {
	late := time.After(stopTimeout)
	for {
		select {
		case <-n.exited:
			if !n.listens() {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		case <-late:
			return fmt.Errorf("rabbitmq: node %s did not stop within %s:\n%s", n.Name, stopTimeout, n.logTail())
		}
	}
}

// Restart starts a node again that was stopped or killed, on the same ports and
// with its data, and waits until it answers.
func (n *Node) Restart() error { return n.startServer() }

// Remove kills the node and removes its folder.
func (n *Node) Remove() {
	if n.watchdog != nil {
		n.watchdog.fire()
	}
}

// Ctl runs rabbitmqctl on the node and returns what it printed. The error has
// that, too.
// https://www.rabbitmq.com/docs/man/rabbitmqctl.8
func (n *Node) Ctl(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, n.install.ctl, append([]string{"--node", n.Name}, args...)...)
	cmd.Env = n.env()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("rabbitmq: rabbitmqctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// Eval has the node evaluate Erlang, as rabbitmqctl eval does, and returns the value
// as Erlang writes it. It takes milliseconds where Erlang has erl_call, and
// rabbitmqctl seconds.
func (n *Node) Eval(ctx context.Context, code string) (string, error) {
	if n.install.call == "" {
		return n.Ctl(ctx, "eval", code)
	}
	cookie, err := os.ReadFile(n.path(".erlang.cookie"))
	if err != nil {
		return "", fmt.Errorf("rabbitmq: the cookie of %s: %w", n.Name, err)
	}
	cmd := exec.CommandContext(ctx, n.install.call, "-sname", n.Name, "-c", string(cookie), "-r", "-timeout", "120", "-e")
	cmd.Env = n.env()
	cmd.Stdin = strings.NewReader(code + "\n")
	out, err := cmd.CombinedOutput()
	text, ok := strings.CutPrefix(string(out), "{ok, ")
	if err == nil && !ok {
		err = errors.New("no value")
	}
	if err != nil {
		return string(out), fmt.Errorf("rabbitmq: evaluating %s: %w: %s", code, err, out)
	}
	return strings.TrimSuffix(text, "}"), nil
}

// logTail is the end of all that the node wrote, for failures.
func (n *Node) logTail() string {
	const most = 4 << 10
	var all strings.Builder
	for _, name := range []string{outputFile, logFile} {
		text, err := os.ReadFile(filepath.Join(n.dir, name))
		if err == nil {
			fmt.Fprintf(&all, "--- %s\n%s\n", name, text[max(0, len(text)-most):])
		}
	}
	return all.String()
}
