package management

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// route is what answers a path. http.ServeMux takes a %2F between two slashes for
// the end of the path, and it is the usual virtual host here.
type route struct {
	method  string
	path    []string // {name} stands for any text, which becomes a path value
	handler http.HandlerFunc
}

func (h *handler) api() []route {
	var routes []route
	add := func(method, path string, handler http.HandlerFunc) {
		routes = append(routes, route{method, strings.Split(path, "/"), handler})
	}
	for path, list := range map[string]func(*view) []object{
		"connections":                       (*view).connections,
		"connections/{connection}/channels": (*view).channels,
		"vhosts/{vhost}/connections":        (*view).connections,
		"channels":                          (*view).channels,
		"vhosts/{vhost}/channels":           (*view).channels,
		"consumers":                         (*view).consumers,
		"consumers/{vhost}":                 (*view).consumers,
		"exchanges":                         (*view).exchanges,
		"exchanges/{vhost}":                 (*view).exchanges,
		"exchanges/{vhost}/{exchange}/bindings/source":        (*view).bindings,
		"exchanges/{vhost}/{toexchange}/bindings/destination": (*view).bindings,
		"queues":                          (*view).queues,
		"queues/{vhost}":                  (*view).queues,
		"queues/{vhost}/{queue}/bindings": (*view).bindings,
		"bindings":                        (*view).bindings,
		"bindings/{vhost}":                (*view).bindings,
		"bindings/{vhost}/e/{exchange}/q/{queue}":      (*view).bindings,
		"bindings/{vhost}/e/{exchange}/e/{toexchange}": (*view).bindings,
		"vhosts": (*view).virtualHosts,
		"nodes":  (*view).nodes,
	} {
		add("GET", "api/"+path, h.list(list))
	}
	for path, list := range map[string]func(*view) []object{
		"overview":                     (*view).overview,
		"connections/{connection}":     (*view).connections,
		"channels/{channel}":           (*view).channels,
		"exchanges/{vhost}/{exchange}": (*view).exchanges,
		"queues/{vhost}/{queue}":       (*view).queueInFull,
		"vhosts/{vhost}":               (*view).virtualHosts,
		"nodes/{node}":                 (*view).nodes,
	} {
		add("GET", "api/"+path, h.one(list))
	}
	add("GET", "api/whoami", h.whoami)
	add("GET", "api/health/checks/alarms", h.alarms)
	add("DELETE", "api/connections/{connection}", h.closeConnection)
	add("GET", "snapshot", h.snapshot)
	add("GET", "page/{file}", file)
	add("GET", "", index)
	return routes
}

func (h *handler) route(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i := range path {
		var err error
		if path[i], err = url.PathUnescape(path[i]); err != nil {
			notFound(w, r)
			return
		}
	}
	var allowed []string
	for _, route := range h.routes {
		if !route.matches(path) {
			continue
		}
		if route.method == r.Method || route.method == "GET" && r.Method == "HEAD" {
			route.fill(r, path)
			route.handler(w, r)
			return
		}
		allowed = append(allowed, route.method)
	}
	if len(allowed) == 0 {
		notFound(w, r)
		return
	}
	slices.Sort(allowed)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	w.WriteHeader(http.StatusMethodNotAllowed)
}

func (route *route) matches(path []string) bool {
	return slices.EqualFunc(route.path, path, func(want, is string) bool {
		return want == is || variable(want) && is != ""
	})
}

func (route *route) fill(r *http.Request, path []string) {
	for i, name := range route.path {
		if variable(name) {
			r.SetPathValue(strings.Trim(name, "{}"), path[i])
		}
	}
}

func variable(segment string) bool { return strings.HasPrefix(segment, "{") }
