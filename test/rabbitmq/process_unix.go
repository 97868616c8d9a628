//go:build unix

package rabbitmq

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

const canWatch = true

// command is a program of the node's in a process group of its own, whose id it
// notes for the watchdog before anything else happens.
func (n *Node) command(name string, args ...string) *exec.Cmd {
	const script = `echo $$ >> "$HOME/groups"; exec "$@" >> "$HOME/` + outputFile + `" 2>&1`
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh", name}, args...)...)
	cmd.Env = n.env()
	cmd.Dir = n.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

func terminate(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }

func kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// watchdog is a shell that removes a node when its input ends, be it that we
// closed it or that we are no more.
type watchdog struct {
	cmd   *exec.Cmd
	input io.Closer
}

const watchdogScript = `
trap '' HUP INT TERM
cd / && read -r _
groups=$(cat "$1/groups")
alive() {
	for group in $groups; do kill -0 "-$group" && return; done
	return 1
} 2>/dev/null
for try in 1 2 3 4 5 6 7 8 9 10; do
	for group in $groups; do kill -9 "-$group"; done 2>/dev/null
	rm -rf "$1" && ! alive && exit 0
	sleep 0.2
done
`

func watch(dir string) (*watchdog, error) {
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(dir+"/groups", nil, 0o600); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("rabbitmq: starting the watchdog: %w", err)
	}
	return &watchdog{cmd, input}, nil
}

// fire has the watchdog do its work and waits for it.
func (w *watchdog) fire() {
	w.input.Close()
	w.cmd.Wait() // a second call finds it done
}
