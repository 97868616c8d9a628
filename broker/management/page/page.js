// Asks the broker for a snapshot each second and shows it.

import { bytes, count, duration, element, exchangeName, named, rate, setText } from "./dom.js";
import { Graph } from "./graph.js";
import { History, sparkline } from "./history.js";
import { Table } from "./table.js";

const interval = 1000;
const $ = (id) => document.getElementById(id);
const history = new History();

// Tiles.

function tile(title, ...lines) {
  const number = element("p", { class: "number" }, "–");
  const detail = element("p", { class: "detail" });
  const spark = sparkline(...lines);
  $("tiles").append(element("div", { class: "tile" }, element("h3", {}, title), number, detail, spark.node));
  return (text, more, ...series) => {
    setText(number, text);
    setText(detail, more);
    detail.title = more;
    spark.draw(...series);
  };
}

const depthTile = tile("Messages", "ready", "unacked");
const publishTile = tile("Published", "ready");
const deliverTile = tile("Delivered", "out");
const clientsTile = tile("Connections", "unacked");
const memoryTile = tile("Memory of messages", "memory");

function showTiles({ overview, node }) {
  const { queue_totals: depth, message_stats: stats, object_totals: objects } = overview;
  depthTile(count(depth.messages), `${count(depth.messages_ready)} ready, ${count(depth.messages_unacknowledged)} unacked`,
    history.level("ready", depth.messages_ready), history.level("unacked", depth.messages_unacknowledged));
  const published = history.rate("publish", stats.publish);
  publishTile(rate(published.last), `${count(stats.publish)} so far, ${count(stats.return_unroutable)} returned`, published);
  const delivered = history.rate("deliver", stats.deliver_get);
  deliverTile(rate(delivered.last), `${count(stats.deliver_get)} so far, ${count(stats.ack)} acked`, delivered);
  clientsTile(count(objects.connections), `${count(objects.channels)} channels, ${count(objects.consumers)} consumers`, history.level("connections", objects.connections));
  memoryTile(bytes(node.mem_used), node.mem_alarm ? "above the limit: publishers blocked" : `limit ${bytes(node.mem_limit)}`, history.level("memory", node.mem_used));
  setText($("about"), `${overview.node} · as RabbitMQ ${overview.rabbitmq_version} · up ${duration(node.uptime)}`);
}

// Tables.

const number = "number w-number";
const none = "–";
const flags = (o) => ["durable", "auto_delete", "exclusive", "internal"].filter((f) => o[f]).map((f) => f.replace("_", "-"));
const object = (o) => JSON.stringify([o.vhost, o.name]);
const queueRate = (q, field) => history.rate(`${field} ${object(q)}`, q.message_stats[field]);

const queues = new Table($("queues-table"), "Queues", [
  { title: "Queue", text: (q) => named(q.name, q.vhost) },
  { title: "Features", class: "w-wide minor", text: (q) => [q.type, ...flags(q)].join(", ") },
  { title: "Ready", class: `${number} ready`, text: (q) => count(q.messages_ready) },
  { title: "Unacked", class: `${number} unacked`, text: (q) => count(q.messages_unacknowledged) },
  { title: "Last 60 s", class: "w-line", lines: ["ready", "unacked"], series: (q) => q.depth },
  { title: "In", class: `${number} minor`, text: (q) => rate(q.in.last) },
  { title: "Out", class: `${number} minor`, text: (q) => rate(q.out.last) },
  { title: "Consumers", class: `${number} minor`, text: (q) => count(q.consumers) },
], "no queues");

const bindings = new Table($("bindings-table"), "Bindings", [
  { title: "From", text: (b) => named(exchangeName(b.source), b.vhost) },
  { title: "To", text: (b) => `${b.destination_type} ${b.destination}` },
  { title: "Routing key", text: (b) => b.routing_key || none },
  { title: "Arguments", class: "minor", text: (b) => (Object.keys(b.arguments).length ? JSON.stringify(b.arguments) : none) },
], "no bindings");

const peer = (name) => name.split(" -> ")[0];
const client = ({ client_properties: p, ssl }) => ([p.product, p.version].filter((t) => typeof t === "string").join(" ") || none) + (ssl ? ", TLS" : "");

const connections = new Table($("connections-table"), "Connections", [
  { title: "Connection", text: (c) => (c.user_provided_name ? `${c.user_provided_name} · ${peer(c.name)}` : peer(c.name)), hint: (c) => c.name },
  { title: "Client", class: "w-text minor", text: client },
  { title: "User", class: "w-text minor", text: (c) => named(c.user || none, c.vhost || "/") },
  { title: "State", class: "w-text", text: (c) => c.state },
  { title: "Channels", class: `${number} minor`, text: (c) => count(c.channels) },
  { title: "From it", class: number, text: (c) => `${bytes(c.received.last)}/s` },
  { title: "To it", class: `${number} minor`, text: (c) => `${bytes(c.sent.last)}/s` },
], "no connections");

const modes = (c) => [c.confirm && "confirm", c.transactional && "tx"].filter(Boolean).join(", ") || none;
const prefetch = (c) => c.prefetch_count || c.global_prefetch_count;

const channels = new Table($("channels-table"), "Channels", [
  { title: "Channel", text: (c) => named(`${peer(c.connection_details.name)} (${c.number})`, c.vhost), hint: (c) => c.name },
  { title: "State", class: "w-text minor", text: (c) => c.state },
  { title: "Mode", class: "w-text minor", text: modes },
  { title: "Prefetch", class: number, text: (c) => (prefetch(c) ? count(prefetch(c)) : none) },
  { title: "Unacked", class: number, text: (c) => count(c.messages_unacknowledged) },
  { title: "Unconfirmed", class: `${number} minor`, text: (c) => count(c.messages_unconfirmed) },
  { title: "Consumers", class: `${number} minor`, text: (c) => count(c.consumer_count) },
], "no channels");

const exchanges = new Table($("exchanges-table"), "Exchanges", [
  { title: "Exchange", text: (x) => named(exchangeName(x.name), x.vhost) },
  { title: "Type", class: "w-text", text: (x) => x.type },
  { title: "Features", class: "w-wide minor", text: (x) => flags(x).join(", ") || none },
  { title: "In", class: number, text: (x) => rate(x.in.last) },
  { title: "Out", class: number, text: (x) => rate(x.out.last) },
], "no exchanges");

const graph = new Graph($("graph"));

// remember adds to each object what the page knows from earlier snapshots.
function remember(s) {
  for (const q of s.queues) {
    q.depth = [history.level(`ready ${object(q)}`, q.messages_ready), history.level(`unacked ${object(q)}`, q.messages_unacknowledged)];
    q.in = queueRate(q, "publish");
    q.out = queueRate(q, "deliver_get");
  }
  for (const x of s.exchanges) {
    x.in = history.rate(`x in ${object(x)}`, x.message_stats.publish_in);
    x.out = history.rate(`x out ${object(x)}`, x.message_stats.publish_out);
  }
  for (const c of s.connections) {
    c.received = history.rate(`received ${c.name}`, c.recv_oct);
    c.sent = history.rate(`sent ${c.name}`, c.send_oct);
  }
}

function show(s) {
  history.begin(performance.now());
  showTiles(s);
  remember(s);
  history.end();
  queues.show(s.queues, object);
  exchanges.show(s.exchanges, object);
  connections.show(s.connections, (c) => c.name);
  channels.show(s.channels, (c) => c.name);
  bindings.show(s.bindings, (b) => JSON.stringify([b.vhost, b.source, b.destination_type, b.destination, b.properties_key]));
  graph.show(s);
  for (const kind of ["queues", "bindings", "exchanges", "connections", "channels"]) {
    const all = s.matching[kind];
    setText($(`${kind}-count`), all > s[kind].length ? `the first ${s[kind].length} of ${count(all)}` : count(all));
  }
}

// Asking. One question at a time; none while paused or hidden.

let paused = false;
let timer = 0;
let asking = null;

function status(text, kind) {
  setText($("status"), text);
  $("status").className = `status ${kind}`;
  document.body.classList.toggle("stale", kind === "lost");
}

// address is that of the snapshot, without a password that the page's may have.
function address() {
  const url = new URL("snapshot", location.href);
  url.username = url.password = "";
  if ($("filter").value) url.searchParams.set("filter", $("filter").value);
  return url;
}

async function ask() {
  clearTimeout(timer);
  asking?.abort();
  const mine = (asking = new AbortController());
  try {
    const answer = await fetch(address(), { signal: mine.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    show(await answer.json());
    status(paused ? "paused" : "live", paused ? "" : "live");
  } catch (error) {
    if (mine.signal.aborted) return;
    status("no answer", "lost");
    $("status").title = String(error);
  }
  if (!paused && !document.hidden) timer = setTimeout(ask, interval);
}

$("filter").addEventListener("input", ask);
$("pause").addEventListener("click", () => {
  paused = !paused;
  setText($("pause"), paused ? "Resume" : "Pause");
  if (!paused) return ask();
  asking?.abort(); // its answer would move what is to stand still
  clearTimeout(timer);
  status("paused", "");
});
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden && !paused) ask();
});
ask();
