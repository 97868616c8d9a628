package rabbitmq

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAHomeHasWhatItsPluginsNeedAndNothingElse(t *testing.T) {
	plugins := t.TempDir()
	for name, needs := range map[string]string{
		"rabbit-3.1":        "{applications, [kernel,stdlib,ranch,'rabbit_common']}",
		"rabbit_common-3.1": "{applications,[kernel,\n\t\trabbit]},\n{env, []}",
		"ranch-2.0":         "{ applications , [] }",
		"web-3.1":           "{applications, [rabbit,cowboy]}",
		"cowboy-1.0":        "{applications, [ranch]}",
		"unread-1.0":        "{included_applications, [ranch]}",
	} {
		app, _, _ := strings.Cut(name, "-")
		ebin := filepath.Join(plugins, name, "ebin")
		if err := os.MkdirAll(ebin, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(ebin, app+".app"), []byte("{application, x, ["+needs+"]}."), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]string{}
	if !need(found, plugins, "rabbit") {
		t.Error("rabbit is not found")
	}
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, []string{"rabbit", "rabbit_common", "ranch"}) {
		t.Errorf("rabbit needs %q", got)
	}
	if need(found, plugins, "missing") || need(found, plugins, "unread") {
		t.Error("found what is not there, or cannot be read")
	}
	if !need(found, plugins, "web") || found["cowboy"] != filepath.Join(plugins, "cowboy-1.0") {
		t.Errorf("with web, it is %v", found)
	}
}
