package management

import (
	"net/http"
	"time"

	"github.com/haypile/haypile/broker"
)

// view is the state as one request asks for it.
type view struct {
	broker.State
	request   *http.Request
	now       time.Time
	reference *sample
	links     map[string]*broker.ConnectionState // by name
}

func (h *handler) look(r *http.Request) *view {
	v := &view{State: h.broker.State(), request: r, now: time.Now()}
	v.reference = h.rates.reference(&v.State, v.now)
	v.links = make(map[string]*broker.ConnectionState, len(v.Connections))
	for i := range v.Connections {
		v.links[v.Connections[i].Name] = &v.Connections[i]
	}
	return v
}

// defaultExchange stands for the one without a name, in paths.
const defaultExchange = "amq.default"

// named tells whether a thing of that kind and name is among what the path asks
// for: it names this one, or none of the kind.
func (v *view) named(kind, name string) bool {
	want := v.request.PathValue(kind)
	if want == defaultExchange && (kind == "exchange" || kind == "toexchange") {
		return name == ""
	}
	return want == "" || want == name
}

// exists tells whether the virtual host and the connection that the path names are
// there. That of an exchange or a queue there is nothing to list is no failure in
// RabbitMQ.
func (v *view) exists() bool {
	if v.request.PathValue("vhost") != "" && len(v.virtualHosts()) == 0 {
		return false
	}
	link := v.request.PathValue("connection")
	return link == "" || v.links[link] != nil
}
