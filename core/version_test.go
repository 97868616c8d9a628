package core_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/haypile/haypile/core"
)

func TestVersionIsOneOfTheChangelogOrComesNext(t *testing.T) {
	log, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := regexp.MustCompile(`(?m)^## `).Split(string(log), -1)[1:]
	_, changes, _ := strings.Cut(sections[0], "\n")
	if strings.HasPrefix(strings.Trim(sections[0], "["), "Unreleased") && strings.TrimSpace(changes) != "" {
		if !strings.HasSuffix(core.Version, "-dev") {
			t.Errorf("the changelog has what is not released, the version is %s", core.Version)
		}
		return
	}
	if !strings.Contains(string(log), "\n## ["+core.Version+"]") {
		t.Errorf("the changelog has nothing of version %s", core.Version)
	}
}
