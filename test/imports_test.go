package test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/haypile/haypile"

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
	Deps       []string
	Standard   bool
}

// packages lists the module's packages with their dependencies.
func packages(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Dir,GoFiles,Imports,Deps,Standard", module+"/...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]pkg)
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

func TestImportsPointDownward(t *testing.T) {
	all := packages(t)
	const unix = "golang.org/x/sys/unix"
	// A layer may import itself, what is listed, and the standard library.
	for layer, allowed := range map[string][]string{
		"core/wire":                  {},
		"core":                       {"core/wire"},
		"adapters":                   {},
		"internal/descriptor":        {},
		"internal/instant":           {},
		"adapters/stdnet":            {"adapters", "internal/descriptor", "internal/instant"},
		"adapters/internal/smallest": {"adapters"},
		"internal/stream":            {"adapters", "internal/descriptor", "internal/instant", unix},
		"ioloop":                     {"adapters", "internal/instant", "internal/stream", unix},
		"adapters/gnet":              {"adapters", "internal/instant", "internal/stream", "ioloop", unix, "github.com/panjf2000/gnet/v2", "github.com/panjf2000/gnet/v2/pkg/logging"},
		"adapters/evio":              {"adapters", "internal/instant", "internal/stream", "ioloop", unix, "github.com/tidwall/evio"},
		"adapters/driver":            {"adapters", "core", "core/wire", "internal/instant"},
		"adapters/blocking":          {"adapters", "adapters/driver", "adapters/stdnet", "core", "core/wire"},
		"broker":                     {"adapters", "adapters/driver", "adapters/stdnet", "broker/internal/deadletter", "broker/internal/erlang", "broker/internal/memnet", "broker/internal/queue", "broker/internal/route", "broker/wirefault", "core", "core/wire"},
		"broker/internal/deadletter": {"broker/internal/queue", "core/wire"},
		"broker/internal/memnet":     {},
		"broker/internal/erlang":     {"core/wire"},
		"broker/internal/queue":      {"broker/internal/erlang", "core/wire"},
		"broker/internal/route":      {"broker/internal/erlang", "core/wire"},
		"broker/management":          {"broker", "core/wire"},
		"broker/wirefault":           {"adapters"},
	} {
		p, ok := all[module+"/"+layer]
		if !ok {
			t.Errorf("no package %s", layer)
		}
		for _, path := range p.Imports {
			if rel, ours := strings.CutPrefix(path, module+"/"); ours {
				if !slices.Contains(allowed, rel) {
					t.Errorf("%s imports %s", layer, rel)
				}
			} else if !all[path].Standard && !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", layer, path)
			}
		}
	}
}

func TestCoreHasNoWorldAroundIt(t *testing.T) {
	all := packages(t)
	banned := []string{"net", "os", "sync", "context", "log", "unsafe"}
	for _, layer := range []string{"core", "core/wire"} {
		p := all[module+"/"+layer]
		for _, path := range p.Imports {
			root, _, _ := strings.Cut(path, "/")
			if slices.Contains(banned, root) {
				t.Errorf("%s imports %s", layer, path)
			}
		}
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s/%s starts a goroutine", layer, name)
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "Sleep"}, n.Sel.Name) {
						t.Errorf("%s/%s has a clock of its own: time.%s", layer, name, n.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func TestEnginesAreCompiledByThoseWhoChooseThem(t *testing.T) {
	engines := map[string]string{
		"github.com/panjf2000/gnet": "adapters/gnet",
		"github.com/tidwall/evio":   "adapters/evio",
	}
	for path, p := range packages(t) {
		rel, ours := strings.CutPrefix(path, module+"/")
		if !ours || strings.HasPrefix(rel, "examples/") {
			continue
		}
		for engine, owner := range engines {
			for _, dep := range p.Deps {
				if strings.HasPrefix(dep, engine) && rel != owner {
					t.Errorf("%s depends on %s", rel, dep)
				}
			}
		}
	}
}
