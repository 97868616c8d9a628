package rabbitmq

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const childVariable = "HAYPILE_TEST_CHILD"

func TestMain(m *testing.M) {
	if how := os.Getenv(childVariable); how != "" {
		child(how)
	}
	Main(m)
}

// child is a program that starts a node and does not live to remove it.
func child(how string) {
	n, err := New()
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("node", n.dir, n.server.Process.Pid)
	if how == "panic" {
		panic("as asked")
	}
	select {} // until killed
}

// The checks below read /proc, so they need Linux.
func TestNodesOfAProgramThatDiedAreRemoved(t *testing.T) {
	for _, how := range []string{"panic", "kill"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childVariable+"="+how)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, _ := bufio.NewReader(out).ReadString('\n')
			var dir string
			var pid int
			if _, err := fmt.Sscanf(line, "node %s %d", &dir, &pid); err != nil {
				t.Fatalf("child printed %q", line)
			}
			if how == "kill" {
				cmd.Process.Kill()
			}
			cmd.Wait() // it fails, as it was asked to
			eventually(t, "folder removed", func() bool {
				_, err := os.Stat(dir)
				return os.IsNotExist(err)
			})
			eventually(t, "processes gone", func() bool { return len(processesOf(t, dir)) == 0 })
		})
	}
}

// processesOf lists the processes that have the folder in their environment or
// command line.
func processesOf(t *testing.T, dir string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		env, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if strings.Contains(string(env)+string(line), dir) {
			found = append(found, e.Name()+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

const bound = 4 * time.Minute

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(bound); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", bound, what)
		}
	}
}

func TestNodeIsSteered(t *testing.T) {
	n := Start(t, WithConfig("default_vhost = elsewhere"))
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	vhosts := func() string {
		out, err := n.Eval(ctx, "[binary_to_list(V) || V <- rabbit_vhost:list_names()].")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := vhosts(); !strings.Contains(got, "elsewhere") {
		t.Errorf("vhosts are %q: the configuration is not in effect", got)
	}
	if out, err := n.Eval(ctx, "A = 1, {A, [b]}."); err != nil || strings.ReplaceAll(out, " ", "") != "{1,[b]}" {
		t.Errorf("evaluated to %q, %v", out, err)
	}
	if out, err := n.Eval(ctx, "no_module:no_function()."); err == nil || !strings.Contains(err.Error(), "undef") {
		t.Errorf("nonsense evaluated to %q, %v", out, err)
	}
	if _, err := n.Ctl(ctx, "add_vhost", "kept"); err != nil {
		t.Fatal(err)
	}
	for _, end := range []struct {
		name string
		how  func() error
	}{{"stop", n.Stop}, {"kill", n.Kill}} {
		if err := end.how(); err != nil {
			t.Fatal(err)
		}
		if n.listens() {
			t.Errorf("after %s the node is still there", end.name)
		}
		if err := n.Restart(); err != nil {
			t.Fatal(err)
		}
		if got := vhosts(); !strings.Contains(got, "kept") {
			t.Errorf("after %s and restart, vhosts are %q: the data is gone", end.name, got)
		}
	}
}

func TestAPortThatWasTakenIsMadeOut(t *testing.T) {
	in, err := findInstall()
	if err != nil {
		t.Fatal(err)
	}
	for name, port := range map[string]func(*ports) int{
		"AMQP":         func(p *ports) int { return p.amqp },
		"distribution": func(p *ports) int { return p.dist },
	} {
		t.Run(name, func(t *testing.T) {
			n, err := newNode(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Remove()
			l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port(&n.ports)))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if err := n.boot(); err == nil || !n.portLost() {
				t.Errorf("it is taken for another failure: %v", err)
			}
		})
	}
}

func TestNodesRunBesideEachOther(t *testing.T) {
	a, b := Start(t), Start(t)
	if a.Name == b.Name || a.Port == b.Port || !a.greets() || !b.greets() {
		t.Errorf("%s on %d and %s on %d do not both run", a.Name, a.Port, b.Name, b.Port)
	}
	a.Remove()
	if a.greets() || !b.greets() {
		t.Error("removing one node touched the other, or did nothing")
	}
}

func TestMissingRabbitMQIsOneClearSentence(t *testing.T) {
	old := scripts
	defer func() { scripts = old }()
	scripts = nil
	t.Setenv("PATH", "/nonexistent")
	_, err := New()
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "AMQP_URL") {
		t.Errorf("error is %v", err)
	}
}
