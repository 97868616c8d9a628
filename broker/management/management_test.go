package management_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/broker/management"
	"github.com/haypile/haypile/core/wire"
	"github.com/haypile/haypile/internal/showcase"
)

// answer is what a request to the handler got.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as a user whose password is the name; as nobody for "".
func ask(h http.Handler, method, path, user string) answer {
	r := httptest.NewRequest(method, path, nil)
	if user != "" {
		r.SetBasicAuth(user, user)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Result().Body)
	return answer{w.Code, w.Header(), strings.TrimSpace(string(body))}
}

// get is the JSON under a path of the API.
func get[T any](t *testing.T, h http.Handler, path string) T {
	t.Helper()
	a := ask(h, "GET", "/api/"+path, "guest")
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusOK {
		t.Fatalf("%s: %d %s %v", path, a.status, a.body, err)
	}
	return v
}

type object = map[string]any

// names are the fields of that name in a list.
func names(all []object, field string) []string {
	var n []string
	for _, o := range all {
		n = append(n, fmt.Sprint(o[field]))
	}
	return n
}

func TestWhoIsLetIn(t *testing.T) {
	h := management.New(showcase.New())
	for _, c := range []struct {
		name, method, path, user string
		status                   int
		body                     string
	}{
		{"nobody sees nothing of the API", "GET", "/api/overview", "", 401, ""},
		{"nobody sees nothing of the page", "GET", "/", "", 401, ""},
		{"an unknown user is told so", "GET", "/api/overview", "mallory", 401, `{"error":"not_authorized","reason":"Login failed"}`},
		{"a user without a tag is told so", "GET", "/api/overview", "plain", 401, `{"error":"not_authorised","reason":"Not management user"}`},
		{"a monitoring user may look", "GET", "/api/whoami", "viewer", 200, `{"name":"viewer","tags":["monitoring"]}`},
		{"a monitoring user may not close", "DELETE", "/api/connections/x", "viewer", 401, `{"error":"not_authorised","reason":"User not authorised to access object"}`},
		{"an administrator is one", "GET", "/api/whoami", "guest", 200, `{"name":"guest","tags":["administrator"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(h, c.method, c.path, c.user)
			if a.status != c.status || a.body != c.body {
				t.Errorf("%d %s, want %d %s", a.status, a.body, c.status, c.body)
			}
			if asks := a.header.Get("WWW-Authenticate"); (c.user == "" || c.user == "mallory") != (asks == `Basic realm="RabbitMQ Management"`) {
				t.Errorf("asks for a password: %q", asks)
			}
		})
	}
}

func TestListsHoldWhatTheirPathsName(t *testing.T) {
	h := management.New(showcase.New())
	const billing = "127.0.0.1:40002 -> 127.0.0.1:5672"
	link := strings.NewReplacer(" ", "%20", ">", "%3E").Replace(billing)
	for path, want := range map[string][]string{
		"queues/%2F":                        {"amq.gen-JzTY20BRgKO-HjmUJj0wLg", "billing", "kept", "packing"},
		"queues/test":                       {"billing"},
		"vhosts":                            {"/", "test"},
		"nodes":                             {"haypile@localhost"},
		"exchanges/test?columns=name":       {"", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.rabbitmq.trace", "amq.topic"},
		"connections":                       {"127.0.0.1:40001 -> 127.0.0.1:5672", billing, "127.0.0.1:40003 -> 127.0.0.1:5672"},
		"vhosts/test/connections":           {"127.0.0.1:40003 -> 127.0.0.1:5672"},
		"connections/" + link + "/channels": {billing + " (1)", billing + " (2)"},
		"vhosts/%2F/channels":               {"127.0.0.1:40001 -> 127.0.0.1:5672 (1)", billing + " (1)", billing + " (2)"},
		"queues?name=ill&columns=name":      {"billing", "billing"},
		"queues/%2F?sort=messages&sort_reverse=true":     {"kept", "packing", "billing", "amq.gen-JzTY20BRgKO-HjmUJj0wLg"},
		"queues/%2F?sort=message_stats.publish&columns=": {"amq.gen-JzTY20BRgKO-HjmUJj0wLg", "billing", "packing", "kept"},
	} {
		if got := names(get[[]object](t, h, path), "name"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string][]string{
		"consumers/test": {"watch"},
		"consumers":      {"biller", "spare", "watch"},
	} {
		if got := names(get[[]object](t, h, path), "consumer_tag"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string][]string{
		"bindings/test":                                  {"billing", "order.%23"},
		"exchanges/%2F/orders/bindings/source":           {"%23", "order.paid.%2A", "order.paid.%23", "order.refunded"},
		"exchanges/%2F/archive/bindings/destination":     {"%23"},
		"exchanges/test/amq.default/bindings/source":     {"billing"},
		"exchanges/%2F/amq.default/bindings/destination": nil,
		"queues/%2F/kept/bindings":                       {"kept", "~"},
		"bindings/%2F/e/orders/q/billing":                {"order.paid.%2A", "order.refunded"},
		"bindings/%2F/e/orders/e/archive":                {"%23"},
		"bindings/%2F/e/orders/q/none":                   nil,
		"bindings/%2F/e/amq.default/q/kept":              {"kept"},
	} {
		if got := names(get[[]object](t, h, path), "properties_key"); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	h := management.New(showcase.New())
	for _, path := range []string{
		"nothing", "queues/none", "queues/%2F/none", "exchanges/%2F/none", "exchanges/none",
		"exchanges/none/x/bindings/source", "bindings/none",
		"consumers/none", "connections/none", "connections/none/channels", "channels/none", "vhosts/none", "vhosts/none/channels", "nodes/none", "", "queues/", "queues//",
	} {
		if a := ask(h, "GET", "/api/"+path, "guest"); a.status != 404 || a.body != `{"error":"Object Not Found","reason":"Not Found"}` {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if a := ask(h, method, "/api/queues/%2F/kept", "guest"); a.status != 405 || a.header.Get("Allow") != "GET" {
			t.Errorf("%s of a queue: %d, allows %s", method, a.status, a.header.Get("Allow"))
		}
	}
}

func TestPages(t *testing.T) {
	h := management.New(showcase.New())
	p := get[object](t, h, "queues?page=2&page_size=2&columns=name&name=i")
	want := object{
		"items": []any{object{"name": "billing"}}, "item_count": 1.0, "page": 2.0, "page_size": 2.0, "page_count": 2.0,
		"filtered_count": 3.0, "total_count": 5.0,
	}
	if fmt.Sprint(p) != fmt.Sprint(want) {
		t.Errorf("%v\nwant %v", p, want)
	}
	for _, query := range []string{"page=0", "page=x", "page=9", "page=1&page_size=501", "page=1&page_size=-1", "page=9223372036854775808", "page=9223372036854775807"} {
		if a := ask(h, "GET", "/api/queues?"+query, "guest"); a.status != 400 {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
}

func TestAQueueInFull(t *testing.T) {
	h := management.New(showcase.New())
	q := get[object](t, h, "queues/%2F/billing")
	if tags := names(asObjects(q["consumer_details"]), "consumer_tag"); !slices.Equal(tags, []string{"biller", "spare"}) {
		t.Errorf("consumers %q", tags)
	}
	if q["messages"] != 15.0 || q["messages_ready"] != 3.0 || q["single_active_consumer_tag"] != "biller" {
		t.Errorf("%v", q)
	}
	picked := get[object](t, h, "queues/%2F/billing?columns=name,message_stats.ack,none,name.deeper")
	if want := (object{"name": "billing", "message_stats": object{"ack": 880.0}}); fmt.Sprint(picked) != fmt.Sprint(want) {
		t.Errorf("columns: %v, want %v", picked, want)
	}
}

func asObjects(v any) (all []object) {
	for _, o := range v.([]any) {
		all = append(all, o.(object))
	}
	return all
}

func TestAConnectionIsClosedWithTheReason(t *testing.T) {
	b := showcase.New()
	h := management.New(b)
	const first, second = "127.0.0.1:40001 -> 127.0.0.1:5672", "127.0.0.1:40002 -> 127.0.0.1:5672"
	r := httptest.NewRequest("DELETE", "/api/connections/"+strings.ReplaceAll(first, " ", "%20"), nil)
	r.SetBasicAuth("guest", "guest")
	r.Header.Set("X-Reason", "tea time")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusNoContent {
		t.Errorf("status %d", w.Code)
	}
	if a := ask(h, "DELETE", "/api/connections/"+strings.ReplaceAll(second, " ", "%20"), "guest"); a.status != http.StatusNoContent {
		t.Errorf("status %d", a.status)
	}
	if a := ask(h, "DELETE", "/api/connections/none", "guest"); a.status != http.StatusNotFound {
		t.Errorf("status %d of one that is not there", a.status)
	}
	if want := []string{first + ": tea time", second + ": Closed via management plugin"}; !slices.Equal(b.Closed(), want) {
		t.Errorf("closed %q, want %q", b.Closed(), want)
	}
}

func TestRatesAreOfTheLastSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := showcase.New()
		h := management.New(b)
		rate := func(field string) float64 {
			q := get[object](t, h, "queues/%2F/packing")
			if stats := q["message_stats"].(object); stats[field+"_details"] != nil {
				q = stats
			}
			return q[field+"_details"].(object)["rate"].(float64)
		}
		if r := rate("publish"); r != 0 {
			t.Errorf("the first rate is %v", r)
		}
		for range 20 { // ten each second, of which five are consumed
			time.Sleep(time.Second)
			b.Change(func(s *broker.State) {
				q := s.Queue("/", "packing")
				q.Totals.Published += 10
				q.Totals.Delivered += 5
				q.Ready += 5
			})
			if p, d, m := rate("publish"), rate("deliver_get"), rate("messages"); p != 10 || d != 5 || m != 5 {
				t.Errorf("published %v/s, delivered %v/s, grew %v/s", p, d, m)
			}
		}
		time.Sleep(5 * time.Second)
		rate("publish")
		time.Sleep(5 * time.Second)
		if r := rate("publish"); r != 0 {
			t.Errorf("after ten seconds of rest: %v/s", r)
		}
		b.Change(func(s *broker.State) {
			q := s.Queue("/", "packing")
			q.Totals, q.Ready = broker.Totals{}, 0
		})
		if p, m := rate("publish"), rate("messages"); p != 0 || m >= 0 {
			t.Errorf("a queue that began anew: published %v/s, grew %v/s", p, m)
		}
	})
}

func TestAlarms(t *testing.T) {
	b := showcase.New()
	h := management.New(b)
	if a := ask(h, "GET", "/api/health/checks/alarms", "guest"); a.status != 200 || a.body != `{"status":"ok"}` {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.Change(func(s *broker.State) { s.MemoryAlarm = true })
	if a := ask(h, "GET", "/api/health/checks/alarms", "guest"); a.status != 503 || !strings.Contains(a.body, `"resource":"memory"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestArgumentsOfEveryTypeAreJSON(t *testing.T) {
	b := showcase.New()
	h := management.New(b)
	b.Change(func(s *broker.State) {
		s.Queues = []broker.QueueState{{VirtualHost: "/", Name: "q\xff", Arguments: wire.Table{
			"time": time.Unix(100, 0), "bytes": []byte("raw\xff"), "nan": math.NaN(), "inf": float32(math.Inf(1)), "decimal": wire.Decimal{Scale: 2, Value: 314},
			"list": []any{int8(1), wire.Table{"deep": math.Inf(-1)}, map[string]any{"a": nil}}, "yes": true, "__proto__": "<script>",
		}}}
		s.Queues[0].Head = &broker.MessageState{Timestamp: time.Unix(50, 0)}
	})
	q := get[[]object](t, h, "queues")[0]
	want := object{
		"time": 100.0, "bytes": "raw\ufffd", "nan": nil, "inf": nil, "decimal": 3.14,
		"list": []any{1.0, object{"deep": nil}, object{"a": nil}}, "yes": true, "__proto__": "<script>",
	}
	if fmt.Sprint(q["arguments"]) != fmt.Sprint(want) || q["name"] != "q\ufffd" || q["head_message_timestamp"] != 50.0 {
		t.Errorf("%v\nwant %v", q, want)
	}
}

func TestThePageLoadsNothingFromElsewhere(t *testing.T) {
	h := management.New(showcase.New())
	for path, kind := range map[string]string{
		"/": "text/html", "/page/page.js": "text/javascript", "/page/page.css": "text/css", "/page/icon.svg": "image/svg+xml", "/snapshot": "application/json",
	} {
		a := ask(h, "GET", path, "guest")
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), kind) || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %s", path, policy)
		}
		if strings.Contains(strings.ReplaceAll(a.body, "http://www.w3.org/2000/svg", ""), "http") && path != "/snapshot" {
			t.Errorf("%s names another place", path)
		}
	}
	under := http.StripPrefix("/broker", h)
	if a := ask(under, "GET", "/broker/page/page.js", "guest"); a.status != 200 {
		t.Errorf("under a prefix: %d", a.status)
	}
}

func TestRequestsMayComeAtOnce(t *testing.T) {
	b := showcase.New()
	h := management.New(b)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for _, path := range []string{"/api/overview", "/api/queues", "/snapshot", "/api/exchanges/%2F?sort=name&page=1"} {
				b.Change(func(s *broker.State) { s.Queue("/", "kept").Ready++ })
				if a := ask(h, "GET", path, "guest"); a.status != 200 {
					t.Errorf("%s: %d", path, a.status)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkSnapshotOfManyQueues(b *testing.B) {
	broker := many(10000)
	h := management.New(broker)
	for b.Loop() {
		ask(h, "GET", "/snapshot", "guest")
	}
}

// many has that many queues.
func many(queues int) *showcase.Broker {
	b := showcase.New()
	b.Change(func(s *broker.State) {
		for i := range queues {
			s.Queues = append(s.Queues, broker.QueueState{VirtualHost: "/", Name: fmt.Sprint("q", i)})
		}
	})
	return b
}

func TestTheSnapshotIsBounded(t *testing.T) {
	b := many(3000)
	h := management.New(b)
	b.Change(func(s *broker.State) {
		for i := range 3000 {
			s.Connections = append(s.Connections, broker.ConnectionState{Name: fmt.Sprint("c", i), Channels: make([]broker.ChannelState, 2)})
		}
	})
	a := ask(h, "GET", "/snapshot", "guest")
	var s struct {
		Queues, Channels []object
		Matching         map[string]int
	}
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Queues) != 100 || len(s.Channels) != 100 || s.Matching["queues"] != 3005 || s.Matching["channels"] != 6004 {
		t.Errorf("%d queues, %d channels, matching %v", len(s.Queues), len(s.Channels), s.Matching)
	}
}
