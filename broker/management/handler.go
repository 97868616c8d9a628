package management

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/haypile/haypile/broker"
)

// Broker is what is shown, such as a *broker.Broker. Its methods are called from
// the goroutines of requests.
type Broker interface {
	// State is what the broker holds.
	State() broker.State
	// Authenticate tells whether the user has this password, and the user's tags.
	Authenticate(user, password string) (tags []string, ok bool)
	// CloseConnection closes the connection of that name with 320 and the reason;
	// the error says that there is none.
	CloseConnection(name, reason string) error
}

// object is a JSON object of the API.
type object = map[string]any

type handler struct {
	broker Broker
	rates  rates
	routes []route
}

// New is the page and the API of a broker, for any HTTP server. It may be
// served under a prefix, by http.StripPrefix; then the page is there with a slash at
// the end.
func New(b Broker) http.Handler {
	h := &handler{broker: b}
	h.routes = h.api()
	return h
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	header.Set("Content-Security-Policy", policy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	if h.admit(w, r) {
		h.route(w, r)
	}
}

// list answers with all that the path names.
func (h *handler) list(list func(*view) []object) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := h.look(r)
		if !v.exists() {
			notFound(w, r)
			return
		}
		l, refused := arrange(list(v), r)
		if refused != nil {
			refuse(w, http.StatusBadRequest, refused.what, refused.reason)
			return
		}
		send(w, l)
	}
}

// one answers with the only one that the path names.
func (h *handler) one(list func(*view) []object) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if found := list(h.look(r)); len(found) == 1 {
			send(w, pick(found[0], columns(r)))
			return
		}
		notFound(w, r)
	}
}

func (h *handler) alarms(w http.ResponseWriter, r *http.Request) {
	if o := h.broker.State().Overview; o.MemoryAlarm {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		send(w, object{
			"status": "failed", "reason": "There are alarms in effect in the cluster",
			"alarms": []object{{"node": o.Node, "resource": "memory"}},
		})
		return
	}
	send(w, object{"status": "ok"})
}

func (h *handler) closeConnection(w http.ResponseWriter, r *http.Request) {
	if !slices.Contains(userOf(r).tags, administrator) {
		refuse(w, http.StatusUnauthorized, "not_authorised", "User not authorised to access object")
		return
	}
	reason := r.Header.Get("X-Reason")
	if reason == "" {
		reason = "Closed via management plugin"
	}
	if err := h.broker.CloseConnection(r.PathValue("connection"), reason); err != nil {
		notFound(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	refuse(w, http.StatusNotFound, "Object Not Found", "Not Found")
}

func refuse(w http.ResponseWriter, status int, what, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	send(w, object{"error": what, "reason": reason})
}

// send sends v as JSON. A client that has gone need not be told.
func send(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}
