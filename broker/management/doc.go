// Package management shows what a broker holds: a page that follows it live, and
// JSON under the paths and with the field names of RabbitMQ's management API, so
// that tools which read RabbitMQ's read this broker, too.
//
//	b, err := broker.New(…)
//	…
//	http.ListenAndServe("127.0.0.1:15672", management.New(b))
//
// The page is at /, the API under /api. Both ask for a user of the broker by HTTP
// basic authentication, and let in who has the tag administrator or monitoring:
// these see everything. RabbitMQ also lets in users with the tags management and
// policymaker and shows them their own; here they are refused.
//
// Everything is to be read, but for DELETE /api/connections/{name}, which closes a
// connection and needs an administrator. What is there:
//
//	GET /api/overview
//	GET /api/nodes, /api/nodes/{name}
//	GET /api/whoami
//	GET /api/vhosts, /api/vhosts/{vhost}
//	GET /api/connections, /api/connections/{name}
//	GET /api/connections/{name}/channels, /api/vhosts/{vhost}/connections
//	GET /api/channels, /api/channels/{name}, /api/vhosts/{vhost}/channels
//	GET /api/consumers, /api/consumers/{vhost}
//	GET /api/exchanges, /api/exchanges/{vhost}, /api/exchanges/{vhost}/{name}
//	GET /api/exchanges/{vhost}/{name}/bindings/source, …/bindings/destination
//	GET /api/queues, /api/queues/{vhost}, /api/queues/{vhost}/{name}
//	GET /api/queues/{vhost}/{name}/bindings
//	GET /api/bindings, /api/bindings/{vhost}
//	GET /api/bindings/{vhost}/e/{source}/q/{queue}, …/e/{source}/e/{exchange}
//	GET /api/health/checks/alarms
//
// In a path the virtual host / is %2F and the default exchange amq.default. Lists
// take the query arguments columns, sort, sort_reverse, name, page and page_size.
//
// Rates are per second, over the last five to ten seconds in which somebody asked
// for anything; the handler has no goroutine of its own. Fields that tell of a
// disk, of Erlang or of policies are left out.
//
// https://www.rabbitmq.com/docs/management
package management
