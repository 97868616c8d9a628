package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// everything matches all names.
var everything = regexp.MustCompile("")

// machine says on what machine and versions it was measured.
func machine(broker string) []string {
	lines := []string{
		fmt.Sprintf("%d × %s", runtime.NumCPU(), processor()),
		fmt.Sprintf("%s/%s, %s", runtime.GOOS, runtime.GOARCH, kernel()),
		runtime.Version(),
	}
	if commit, err := exec.Command("git", "describe", "--always", "--dirty").Output(); err == nil {
		lines = append(lines, "haypile "+strings.TrimSpace(string(commit)))
	}
	for _, path := range []string{"github.com/rabbitmq/amqp091-go", "github.com/panjf2000/gnet/v2", "github.com/tidwall/evio"} {
		if v := moduleVersion(path); v != "" {
			lines = append(lines, path+" "+v)
		}
	}
	if broker != "" {
		lines = append(lines, broker)
	}
	return lines
}

func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", path).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				return strings.TrimSpace(value)
			}
		}
	}
	return "processor of unknown name"
}

func kernel() string {
	out, err := exec.Command("uname", "-sr").Output()
	if err != nil {
		return "kernel of unknown name"
	}
	return strings.TrimSpace(string(out))
}
