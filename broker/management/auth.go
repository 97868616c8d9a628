package management

import (
	"context"
	"net/http"
	"slices"
)

// The tags of users who may see everything, as RabbitMQ has them.
const (
	administrator = "administrator"
	monitoring    = "monitoring"
)

// user is who sent a request.
type user struct {
	name string
	tags []string
}

type userKey struct{}

func userOf(r *http.Request) user { return r.Context().Value(userKey{}).(user) }

// admit lets in who has the password and a tag, and keeps who it is in the
// request's context. It answers the others, in RabbitMQ's words.
func (h *handler) admit(w http.ResponseWriter, r *http.Request) bool {
	name, password, given := r.BasicAuth()
	if !given {
		w.Header().Set("WWW-Authenticate", realm)
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	tags, ok := h.broker.Authenticate(name, password)
	if !ok {
		w.Header().Set("WWW-Authenticate", realm)
		refuse(w, http.StatusUnauthorized, "not_authorized", "Login failed")
		return false
	}
	if !slices.Contains(tags, administrator) && !slices.Contains(tags, monitoring) {
		refuse(w, http.StatusUnauthorized, "not_authorised", "Not management user")
		return false
	}
	*r = *r.WithContext(context.WithValue(r.Context(), userKey{}, user{name, tags}))
	return true
}

const realm = `Basic realm="RabbitMQ Management"`

func (h *handler) whoami(w http.ResponseWriter, r *http.Request) {
	u := userOf(r)
	send(w, object{"name": u.name, "tags": u.tags})
}
