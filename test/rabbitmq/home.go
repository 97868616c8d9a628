package rabbitmq

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// RabbitMQ starts in two thirds of the time when it finds no plugins but those it
// runs: it looks for each of its thousand modules in the folder of every plugin
// there is, and reads the configuration schemas of all. So a node gets a home of
// its own, with links to the installed one.

// makeHome makes the home, for the plugins and what they need, and returns its
// scripts, or nothing where the installed plugins are not folders whose needs can
// be read: then the node runs with all of them.
func (n *Node) makeHome(plugins []string) (scripts string, err error) {
	server, err := filepath.EvalSymlinks(n.install.server)
	if err != nil {
		return "", err
	}
	installed := filepath.Dir(filepath.Dir(server))
	needed := map[string]string{}
	if !need(needed, filepath.Join(installed, "plugins"), "rabbit") {
		return "", nil
	}
	for _, p := range plugins {
		if !need(needed, filepath.Join(installed, "plugins"), p) {
			return "", nil
		}
	}
	home := n.path("home")
	if err := os.MkdirAll(filepath.Join(home, "plugins"), 0o700); err != nil {
		return "", err
	}
	links := map[string]string{"sbin": filepath.Dir(server), "escript": filepath.Join(installed, "escript")}
	for _, dir := range needed {
		links["plugins/"+filepath.Base(dir)] = dir
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(home, name)); err != nil {
			return "", err
		}
	}
	return filepath.Join(home, "sbin"), nil
}

// applications is what an .app file says that its application needs.
var applications = regexp.MustCompile(`\{\s*applications\s*,\s*\[([^\]]*)\]`)

// need adds the folder of an application, and of all that it needs, by their
// names. What has no folder among the plugins is Erlang's own; the answer is
// whether this one has.
func need(found map[string]string, plugins, name string) bool {
	if _, already := found[name]; already {
		return true
	}
	files, _ := filepath.Glob(filepath.Join(plugins, name+"-[0-9]*", "ebin", name+".app"))
	if len(files) != 1 {
		return false
	}
	text, err := os.ReadFile(files[0])
	list := applications.FindSubmatch(text)
	if err != nil || list == nil {
		return false
	}
	found[name] = filepath.Dir(filepath.Dir(files[0]))
	for other := range strings.SplitSeq(string(list[1]), ",") {
		need(found, plugins, strings.Trim(other, " \t\r\n'"))
	}
	return true
}
