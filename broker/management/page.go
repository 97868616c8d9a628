package management

import (
	"cmp"
	"embed"
	"net/http"
	"slices"
	"strings"

	"github.com/haypile/haypile/broker"
)

// policy lets the page load what comes from here, and nothing else run, load or
// frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed page/*.html page/*.css page/*.js page/*.svg
var files embed.FS

func index(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "page/index.html") }

func file(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "page/"+r.PathValue("file"))
}

// mostShown is how many objects of a kind the page shows, so that it stays quick
// whatever the broker holds. The filter finds the others.
const mostShown = 100

// snapshot is all that the page shows, of one moment. The query argument filter is
// a part of the names to show.
func (h *handler) snapshot(w http.ResponseWriter, r *http.Request) {
	v := h.look(r)
	filter := strings.ToLower(r.URL.Query().Get("filter"))
	has := func(texts ...string) bool {
		for _, text := range texts {
			if strings.Contains(strings.ToLower(text), filter) {
				return true
			}
		}
		return false
	}
	// Those that somebody made come first.
	slices.SortStableFunc(v.Exchanges, func(a, b broker.ExchangeState) int {
		return cmp.Compare(predeclared(&a), predeclared(&b))
	})
	connections, connectionCount := some(v.Connections, v.connection, func(c *broker.ConnectionState) bool {
		return has(c.Name, c.ProvidedName, c.User)
	})
	queues, queueCount := some(v.Queues, v.queue, func(q *broker.QueueState) bool { return has(q.Name) })
	exchanges, exchangeCount := some(v.Exchanges, v.exchange, func(x *broker.ExchangeState) bool { return has(x.Name, x.Type) })
	bindings, bindingCount := some(v.Bindings, bindingObject, func(b *broker.BindingState) bool {
		return b.Source != "" && has(b.Source, b.Destination, b.RoutingKey)
	})
	channels, channelCount := v.someChannels(has)
	send(w, object{
		"overview": v.overview()[0], "node": v.nodes()[0],
		"connections": connections, "channels": channels, "queues": queues, "exchanges": exchanges, "bindings": bindings,
		"matching": object{
			"connections": connectionCount, "channels": channelCount, "queues": queueCount,
			"exchanges": exchangeCount, "bindings": bindingCount,
		},
	})
}

// some renders the first of those that match, and counts all that do.
func some[T any](all []T, render func(*T) object, matches func(*T) bool) (shown []object, count int) {
	shown = []object{}
	for i := range all {
		if !matches(&all[i]) {
			continue
		}
		if count++; count <= mostShown {
			shown = append(shown, render(&all[i]))
		}
	}
	return shown, count
}

func (v *view) someChannels(has func(...string) bool) (shown []object, count int) {
	shown = []object{}
	for i := range v.Connections {
		c := &v.Connections[i]
		if !has(c.Name, c.ProvidedName, c.User) {
			continue
		}
		for j := range c.Channels {
			if count++; count <= mostShown {
				shown = append(shown, v.channel(c, &c.Channels[j]))
			}
		}
	}
	return shown, count
}
