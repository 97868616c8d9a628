//go:build !unix

package rabbitmq

import (
	"errors"
	"os/exec"
)

// Nodes are not started here: there are no process groups to stop them by.
const canWatch = false

var errNoGroups = errors.New("rabbitmq: no process groups on this system")

func (n *Node) command(name string, args ...string) *exec.Cmd { return exec.Command(name, args...) }

func terminate(*exec.Cmd) error { return errNoGroups }

func kill(*exec.Cmd) error { return errNoGroups }

type watchdog struct{}

func watch(string) (*watchdog, error) { return nil, errNoGroups }

func (*watchdog) fire() {}
