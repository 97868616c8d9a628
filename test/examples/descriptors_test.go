//go:build unix

package examples

import (
	"os/exec"
	"strings"
	"testing"
)

func TestTooManyConnectionsAreToldOfTheLimitOfDescriptors(t *testing.T) {
	ring := program(build(t), "one-loop-many-connections")
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -n 200 && exec "$0" -n 1000`, ring).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "raise ulimit -n") {
		t.Errorf("error %v, and it said\n%s", err, out)
	}
}
