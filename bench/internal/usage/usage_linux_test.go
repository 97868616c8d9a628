package usage

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestMain prints its largest resident memory where a test asks for that.
func TestMain(m *testing.M) {
	if os.Getenv("USAGE_TEST_PEAK") != "" {
		os.Stdout.WriteString(strconv.Itoa(Now().MaxResident))
		return
	}
	os.Exit(m.Run())
}

func TestThePeakIsNotThatOfWhoStartedTheProcess(t *testing.T) {
	const large = 256 << 20
	mine := make([]byte, large)
	for i := range mine {
		mine[i] = 1
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "USAGE_TEST_PEAK=1")
	out, err := child.Output()
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(mine)
	if got, err := strconv.Atoi(strings.TrimSpace(string(out))); err != nil || got <= 0 || got >= large {
		t.Errorf("a small process has had %q bytes, %v", out, err)
	}
}
