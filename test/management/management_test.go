package management

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haypile/haypile/adapters/blocking"
	"github.com/haypile/haypile/broker"
	"github.com/haypile/haypile/broker/management"
	"github.com/haypile/haypile/test/rabbitmq"
)

// api is a management API to ask.
type api struct {
	t    *testing.T
	base string
}

// do is the status, the headers and the body of an answer.
func (a api) do(method, path, user, password string) (int, http.Header, string) {
	a.t.Helper()
	r, err := http.NewRequest(method, a.base+"/api/"+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return response.StatusCode, response.Header, strings.TrimSpace(string(body))
}

// object is the JSON object under a path, the first one of a list.
func (a api) object(path string) map[string]any {
	a.t.Helper()
	status, _, body := a.do("GET", path, "guest", "guest")
	if status != http.StatusOK {
		a.t.Fatalf("%s: %d %s", path, status, body)
	}
	var one map[string]any
	if json.Unmarshal([]byte(body), &one) == nil {
		return one
	}
	var all []map[string]any
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		a.t.Fatalf("%s: %v: %s", path, err, body)
	}
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// start starts a RabbitMQ that has something to tell of: a connection named shop,
// which has published to the exchange orders, and the queue billing, of which it has
// consumed; and a broker of ours with all that, too.
func start(t *testing.T) (theirs, ours api) {
	node := rabbitmq.Start(t, rabbitmq.WithManagement())
	fill(t, node.URL())
	theirs = api{t, node.ManagementURL()}
	for deadline := time.Now().Add(time.Minute); !theirs.told(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("RabbitMQ's statistics did not come within a minute")
		}
	}
	b, err := broker.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Stop(context.Background()) })
	fill(t, b.URL())
	server := httptest.NewServer(management.New(b))
	t.Cleanup(server.Close)
	return theirs, api{t, server.URL}
}

// fill has a client do what start says.
func fill(t *testing.T, url string) {
	t.Helper()
	ctx := context.Background()
	conn, err := blocking.Dial(ctx, url, blocking.WithName("shop"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	ch, err := conn.Channel(ctx)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(ch.ExchangeDeclare(ctx, &blocking.ExchangeDeclare{Exchange: "orders", Type: "topic", Durable: true}))
	_, err = ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "billing", Durable: true})
	must(err)
	must(ch.QueueBind(ctx, &blocking.QueueBind{Queue: "billing", Exchange: "orders", RoutingKey: "order.*/é #", Arguments: blocking.Table{"k": "v"}}))
	must(ch.QueueBind(ctx, &blocking.QueueBind{Queue: "billing", Exchange: "orders", RoutingKey: "order.paid.*"}))
	must(ch.Publish(ctx, &blocking.Publishing{Exchange: "orders", RoutingKey: "order.paid.se", Body: []byte("1")}))
	for d, err := range ch.Consume(ctx, &blocking.Consume{Queue: "billing"}) {
		must(err)
		must(d.Ack())
		break
	}
	go func() { // stays, until the connection is closed
		for range ch.Consume(ctx, &blocking.Consume{Queue: "billing", Tag: "biller"}) {
		}
	}()
	for { // until the broker knows of it
		q, err := ch.QueueDeclare(ctx, &blocking.QueueDeclare{Queue: "billing", Passive: true})
		must(err)
		if q.ConsumerCount > 0 {
			return
		}
	}
}

// told tells that the statistics have come, which RabbitMQ gathers now and then.
func (a api) told() bool {
	_, stats := a.object("exchanges/%2F/orders")["message_stats"]
	queue, link, channel := a.object("queues/%2F/billing"), a.object("connections"), a.object("channels")
	return stats && queue["message_stats"] != nil && queue["messages_details"] != nil && queue["consumers"] == 1.0 &&
		link["recv_oct_details"] != nil && channel["message_stats"] != nil && a.object("overview")["message_stats"] != nil &&
		a.object("vhosts/%2F")["messages_details"] != nil && a.object("consumers")["consumer_tag"] != nil
}

// left are the fields of RabbitMQ's that we leave out, by path: they tell of Erlang,
// of a disk, of a cluster, of policies, or of what the broker does not count.
var left = map[string]string{
	"overview":                    "churn_rates erlang_full_version erlang_version contexts enable_queue_totals release_series_support_status sample_retention_policies statistics_db_event_queue message_stats.disk_reads message_stats.disk_reads_details message_stats.disk_writes message_stats.disk_writes_details",
	"nodes":                       "applications auth_mechanisms cluster_links config_files contexts db_dir enabled_plugins exchange_types fd_total fd_used fd_used_details log_files mem_calculation_strategy mem_used_details metrics_gc_queue_length net_ticktime os_pid proc_total proc_used proc_used_details ra_open_file_metrics run_queue sockets_total sockets_used_details context_switches context_switches_details",
	"connections":                 "garbage_collection peer_cert_issuer peer_cert_subject peer_cert_validity reductions reductions_details ssl_cipher ssl_hash ssl_key_exchange",
	"channels":                    "garbage_collection idle_since pending_raft_commands reductions reductions_details",
	"queues/%2F/billing":          "backing_queue_status consumer_capacity consumer_utilisation garbage_collection message_bytes_paged_out message_bytes_persistent messages_paged_out recoverable_slaves reductions reductions_details",
	"exchanges/%2F/orders":        "incoming outgoing user_who_performed_action",
	"vhosts/%2F":                  "message_stats recv_oct recv_oct_details send_oct send_oct_details",
	"consumers":                   "",
	"queues/%2F/billing/bindings": "",
	"whoami":                      "",
}

// prefixes of fields of nodes that are left out likewise.
var leftOfNodes = []string{"disk_", "gc_", "io_", "mnesia_", "msg_store_", "queue_", "channel_", "connection_"}

// added are the fields of ours that RabbitMQ does not have, at least not that version.
var added = map[string]string{
	"overview":  "go_version",
	"consumers": "priority",
}

func TestTheAPIIsRabbitMQs(t *testing.T) {
	theirs, ours := start(t)
	t.Run("fields and their types", func(t *testing.T) { compareFields(t, theirs, ours) })
	t.Run("answers", func(t *testing.T) { compareAnswers(t, theirs, ours) })
	t.Run("properties keys", func(t *testing.T) { comparePropertiesKeys(t, theirs) })
}

func compareFields(t *testing.T, theirs, ours api) {
	for path := range left {
		t.Run(path, func(t *testing.T) {
			their, our := theirs.object(path), ours.object(path)
			var both []string
			compare(t, "", their, our, &both, func(field string, side map[string]string) bool {
				return slices.Contains(strings.Fields(side[path]), field) ||
					path == "nodes" && slices.ContainsFunc(leftOfNodes, func(p string) bool { return strings.HasPrefix(field, p) })
			})
			slices.Sort(both)
			t.Logf("both have: %s", strings.Join(both, " "))
		})
	}
}

// opaque are objects whose fields are of the one who made them.
var opaque = []string{"arguments", "client_properties", "cluster_state"}

// compare tells of fields that only one of the two has, or that differ in type. What
// may be null may be anything, here and there.
func compare(t *testing.T, prefix string, theirs, ours map[string]any, both *[]string, may func(field string, side map[string]string) bool) {
	t.Helper()
	for name, our := range ours {
		field := prefix + name
		their, ok := theirs[name]
		if !ok {
			if !may(field, added) {
				t.Errorf("RabbitMQ has no %s", field)
			}
			continue
		}
		*both = append(*both, field)
		if a, b := kind(their), kind(our); a != b && their != nil && our != nil {
			t.Errorf("%s is %s in RabbitMQ, and %s here", field, a, b)
		}
		inner, ok := their.(map[string]any)
		if our, same := our.(map[string]any); ok && same && !slices.Contains(opaque, name) {
			compare(t, field+".", inner, our, both, may)
		}
	}
	for name := range theirs {
		if _, ok := ours[name]; !ok && !may(prefix+name, left) {
			t.Errorf("%s is missing", prefix+name)
		}
	}
}

func kind(v any) string { return fmt.Sprintf("%T", v) }

func compareAnswers(t *testing.T, theirs, ours api) {
	for _, c := range []struct{ name, method, path, user, password string }{
		{"nobody", "GET", "whoami", "", ""},
		{"an unknown user", "GET", "whoami", "mallory", "guest"},
		{"a wrong password", "GET", "overview", "guest", "wrong"},
		{"an empty password", "GET", "overview", "guest", ""},
		{"who one is", "GET", "whoami", "guest", "guest"},
		{"no alarm", "GET", "health/checks/alarms", "guest", "guest"},
		{"an unknown path", "GET", "nothing", "guest", "guest"},
		{"an unknown queue", "GET", "queues/%2F/none", "guest", "guest"},
		{"an unknown virtual host", "GET", "queues/none", "guest", "guest"},
		{"an unknown exchange's bindings", "GET", "exchanges/%2F/none/bindings/source", "guest", "guest"},
		{"bindings between what is not there", "GET", "bindings/%2F/e/none/q/none", "guest", "guest"},
		{"an unknown connection", "DELETE", "connections/none", "guest", "guest"},
		{"no bindings", "GET", "exchanges/%2F/amq.fanout/bindings/source", "guest", "guest"},
		{"bindings to the default exchange", "GET", "exchanges/%2F/amq.default/bindings/destination", "guest", "guest"},
		{"columns", "GET", "queues/%2F/billing?columns=name,durable", "guest", "guest"},
		{"a page beyond the last one", "GET", "exchanges/%2F?page=99&name=amq.topic", "guest", "guest"},
		{"too large a page", "GET", "exchanges/%2F?page=1&page_size=501", "guest", "guest"},
		{"a page size that is none", "GET", "exchanges/%2F?page=1&page_size=x", "guest", "guest"},
		{"a page before the first one", "GET", "exchanges/%2F?page=0", "guest", "guest"},
		{"a page that is none", "GET", "exchanges/%2F?page=x", "guest", "guest"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := theirs.do(c.method, c.path, c.user, c.password)
			ourStatus, ourHeader, ourBody := ours.do(c.method, c.path, c.user, c.password)
			if status != ourStatus || header.Get("WWW-Authenticate") != ourHeader.Get("WWW-Authenticate") {
				t.Errorf("%d %v, RabbitMQ %d %v", ourStatus, ourHeader, status, header)
			}
			if same(body) != same(ourBody) {
				t.Errorf("%s\nRabbitMQ: %s", ourBody, body)
			}
		})
	}
}

// same is a body without the differences of spelling that JSON allows.
func same(body string) string {
	var v any
	if json.Unmarshal([]byte(body), &v) != nil {
		return body
	}
	return fmt.Sprint(v)
}

// comparePropertiesKeys compares all but the hash of arguments.
func comparePropertiesKeys(t *testing.T, theirs api) {
	_, _, body := theirs.do("GET", "bindings/%2F/e/orders/q/billing", "guest", "guest")
	var all []map[string]any
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		key, _, _ := strings.Cut(b["properties_key"].(string), "~")
		if want := url.QueryEscape(b["routing_key"].(string)); key != want {
			t.Errorf("the key of %q is %s, ours %s", b["routing_key"], key, want)
		}
	}
}
