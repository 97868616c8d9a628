package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Nothing that prints a value may show this, in whichever form.
const password = "hunter2-and-more"

func leaks(s string) bool {
	s = strings.ToLower(s)
	for _, form := range []string{password, hex.EncodeToString([]byte(password)), fmt.Sprint([]byte(password)), "aHVudGVyMi"} {
		if strings.Contains(s, strings.ToLower(strings.Trim(form, "[]"))) {
			return true
		}
	}
	return false
}

func TestASecretIsNotPrinted(t *testing.T) {
	type open struct{ Password Secret }
	type hidden struct {
		password Secret
		list     []Secret
		byName   map[string]Secret
		any      any
	}
	s := NewSecret(password)
	values := map[string]any{
		"value": s, "pointer": &s, "slice": []Secret{s}, "map": map[string]Secret{"k": s},
		"field": open{s}, "pointer to field": &open{s}, "method": &ConnectionStartOk{Response: s},
		"unexported":            hidden{s, []Secret{s}, map[string]Secret{"k": s}, s},
		"pointer to unexported": &hidden{s, []Secret{s}, map[string]Secret{"k": s}, &s},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%c", "%o", "%08.3f", "%p", "%T"} {
			if got := fmt.Sprintf(verb, v); leaks(got) {
				t.Errorf("%s by %s: %s", name, verb, got)
			}
		}
		if got, err := json.Marshal(v); err == nil && leaks(string(got)) {
			t.Errorf("%s as JSON: %s", name, got)
		}
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).With("w", v).Info("message", "v", v, slog.Group("g", "v", v))
		}
		if leaks(out.String()) {
			t.Errorf("%s in a log: %s", name, out.String())
		}
	}
}

func TestASecretShowsThatItIsOne(t *testing.T) {
	for _, s := range []Secret{NewSecret(password), NewSecret(""), {}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if got := fmt.Sprintf(verb, s); got != "[redacted]" {
				t.Errorf("%s: %s", verb, got)
			}
		}
		text, _ := s.MarshalText()
		asJSON, err := json.Marshal(map[string]any{"password": s})
		if string(text) != "[redacted]" || string(asJSON) != `{"password":"[redacted]"}` || err != nil {
			t.Errorf("%s, %s, %v", text, asJSON, err)
		}
		if s.String() != "[redacted]" || s.GoString() != "[redacted]" {
			t.Error(s.String(), s.GoString())
		}
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("message", "password", s)
		if !strings.Contains(out.String(), "password=[redacted]") {
			t.Error(out.String())
		}
	}
}

func TestASecretIsRevealedOnRequest(t *testing.T) {
	if s := NewSecret(password); s.Reveal() != password || s.IsZero() {
		t.Error("lost")
	}
	for _, s := range []Secret{{}, NewSecret("")} {
		if s.Reveal() != "" || !s.IsZero() {
			t.Error("not empty")
		}
	}
}

func TestADecodeErrorShowsNoSecret(t *testing.T) {
	payload := encode(t, &ConnectionStartOk{Mechanism: "PLAIN", Response: NewSecret(password), Locale: "en_US"})
	for n := range len(payload) {
		if _, err := Decode(payload[:n]); err == nil || leaks(err.Error()) || leaks(fmt.Sprintf("%+v", err)) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}
