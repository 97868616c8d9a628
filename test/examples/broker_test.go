//go:build unix

package examples

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/internal/testcert"
)

// standalone is the example broker, running.
type standalone struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner // of its output
}

// startBroker starts it on a port that is free; it is killed at the end of the test
// if it has not ended by then.
func startBroker(t *testing.T, programs string, args ...string) *standalone {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	cmd := exec.CommandContext(ctx, program(programs, "broker"), append([]string{"-listen", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait() // an error says that it has been awaited, or killed just now
	})
	return &standalone{t, cmd, bufio.NewScanner(out)}
}

// says waits for a line that matches.
func (s *standalone) says(pattern string) string {
	s.t.Helper()
	for s.lines.Scan() {
		if regexp.MustCompile(pattern).MatchString(s.lines.Text()) {
			return s.lines.Text()
		}
	}
	s.t.Fatalf("the broker never said %q", pattern)
	return ""
}

func (s *standalone) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// ends waits for its end in good order and returns what it still said.
func (s *standalone) ends() string {
	s.t.Helper()
	var rest []string
	for s.lines.Scan() {
		rest = append(rest, s.lines.Text())
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the broker ended with %v", err)
	}
	return strings.Join(rest, "\n")
}

// dial connects as somebody.
func dial(t *testing.T, uri, user, password string) *blocking.Conn {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	conn, err := blocking.Dial(t.Context(), u.String(), blocking.WithRecovery(nil), blocking.WithName("visitor"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) }) // which has ended
	return conn
}

// definitions is what RabbitMQ exports, shortened.
const definitions = `{
	"users": [{"name": "anna", "password": "hunter2", "tags": []}], "vhosts": [{"name": "/"}],
	"permissions": [{"user": "anna", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}]
}`

func TestBroker(t *testing.T) {
	programs := build(t)
	dir := t.TempDir()
	if err := testcert.Must(t).Files(dir, "server"); err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "users.json")
	nobody := filepath.Join(dir, "nobody.json")
	for file, content := range map[string]string{users: definitions, nobody: "{}"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, adapter := range []string{"stdnet", "ioloop", "gnet", "evio"} {
		t.Run("tells what it holds and stops in good order on "+adapter, func(t *testing.T) {
			t.Parallel()
			s := startBroker(t, programs, "-adapter", adapter, "-user", "app:secret", "-profile", "3", "-state")
			conn := dial(t, s.says(`^amqp://app@127\.0\.0\.1:\d+/$`), "app", "secret")
			s.says(`^RabbitMQ 3\.10\.\d+ in memory, on ` + adapter)
			ch, err := conn.Channel(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ch.QueueDeclare(t.Context(), &blocking.QueueDeclare{Queue: "jobs", Exclusive: true}); err != nil {
				t.Fatal(err)
			}
			s.signal(syscall.SIGUSR1)
			s.says(`visitor +app +/ +running +1$`)
			s.says(`^jobs +classic +/ +0 +0 +0$`)
			s.signal(syscall.SIGTERM)
			<-conn.Done()
			if err := conn.Err(); !strings.Contains(err.Error(), "320") {
				t.Errorf("the client is told %v", err)
			}
			if rest := s.ends(); !strings.Contains(rest, "visitor") || !strings.HasSuffix(rest, "stopped") {
				t.Errorf("in the end it said\n%s", rest)
			}
		})
	}
	t.Run("serves users of a file over TLS, on a free port as -listen", func(t *testing.T) {
		t.Parallel()
		s := startBroker(t, programs, "-users", users,
			"-tls-cert", filepath.Join(dir, "server.pem"), "-tls-key", filepath.Join(dir, "server.key"))
		uri := s.says(`^amqps://127\.0\.0\.1:\d+/$`)
		conn := dial(t, uri+"?cacertfile="+url.QueryEscape(filepath.Join(dir, "ca.pem")), "anna", "hunter2")
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		s.signal(syscall.SIGTERM)
		s.ends()
	})
	t.Run("on all interfaces it names a host to dial, and guest's limits", func(t *testing.T) {
		t.Parallel()
		s := startBroker(t, programs, "-listen", "0.0.0.0:0", "-management", "0.0.0.0:0")
		s.says(`^http://localhost:\d+/ is its page$`)
		conn := dial(t, s.says(`^amqp://guest:guest@localhost:\d+/$`), "guest", "guest")
		s.says("^guest is let in from this machine only")
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		s.signal(syscall.SIGTERM)
		s.ends()
	})
	t.Run("says so when it holds nothing", func(t *testing.T) {
		t.Parallel()
		s := startBroker(t, programs, "-state")
		s.says("^RabbitMQ")
		s.signal(syscall.SIGTERM)
		if rest := s.ends(); !strings.Contains(rest, "no connections\nno queues\nno bindings\n") {
			t.Errorf("in the end it said\n%s", rest)
		}
	})
	t.Run("serves its page to who has a password", func(t *testing.T) {
		t.Parallel()
		s := startBroker(t, programs, "-user", "app:secret", "-management", "127.0.0.1:0")
		page, _, _ := strings.Cut(s.says(`^http://127\.0\.0\.1:\d+/ is its page$`), " ")
		for _, password := range []string{"secret", "wrong"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page+"api/overview", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.SetBasicAuth("app", password)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if let := response.StatusCode == http.StatusOK; let != (password == "secret") {
				t.Errorf("with the password %q it answers %s", password, response.Status)
			}
		}
		s.signal(syscall.SIGTERM)
		s.ends()
	})
	t.Run("says that its port is taken", func(t *testing.T) {
		t.Parallel()
		first := startBroker(t, programs)
		taken, _ := url.Parse(first.says(`^amqp://guest:guest@127\.0\.0\.1:\d+/$`))
		out, err := exec.CommandContext(t.Context(), program(programs, "broker"), "-listen", taken.Host).CombinedOutput()
		if err == nil || !strings.Contains(string(out), taken.Host) || !strings.Contains(string(out), "Choose another address by -listen") {
			t.Errorf("error %v, and it said\n%s", err, out)
		}
		first.signal(syscall.SIGTERM)
		first.ends()
	})
	for args, reason := range map[string]string{
		"-adapter none":                `no adapter "none"`,
		"-profile 5":                   "no profile 5",
		"-user app":                    "-user is name:password",
		"-user a:b -users " + users:    "exclude each other",
		"-users " + users + ".missing": "users.json.missing",
		"-users " + nobody:             "nobody could enter",
		"-tls-cert " + users:           "-tls-cert needs -tls-key",
		"-tls-key " + users:            "-tls-key needs -tls-cert",
		"-tls-listen 127.0.0.1:0":      "-tls-listen needs -tls-cert and -tls-key",
		"-listen=":                     "nowhere to listen",
	} {
		t.Run("refuses "+strings.Fields(args)[0]+": "+reason, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), program(programs, "broker"), strings.Fields(args)...).CombinedOutput()
			if err == nil || !strings.Contains(string(out), reason) {
				t.Errorf("error %v, and it said\n%s", err, out)
			}
		})
	}
}
