// The picture of exchanges, on the left, their bindings, and queues, on the right.

import { count, element, exchangeName, named, setText, svg } from "./dom.js";

const node = { width: 210, height: 42, gap: 16 };
const aisle = 230; // at least, between columns
const lane = 18; // the height that a link takes which passes a column
const atLeast = 1096; // wide
const readable = 24; // links, beyond which labels show only for a chosen node

export class Graph {
  #into;
  #drawn = "";
  #depths = new Map();

  constructor(into) {
    this.#into = into;
  }

  // show draws anew only when exchanges, queues or bindings have changed.
  show(snapshot) {
    const shape = JSON.stringify([
      snapshot.exchanges.map((x) => [x.vhost, x.name, x.type]),
      snapshot.queues.map((q) => [q.vhost, q.name, q.type]),
      snapshot.bindings,
    ]);
    if (shape !== this.#drawn) {
      this.#drawn = shape;
      this.#draw(arrange(snapshot));
    }
    for (const q of snapshot.queues) {
      const depth = this.#depths.get(id("queue", q.vhost, q.name));
      if (depth) setText(depth, count(q.messages));
    }
  }

  #draw({ nodes, edges, columns }) {
    this.#depths.clear();
    if (!nodes.size) {
      this.#into.replaceChildren(element("p", {}, "no bindings and no queues"));
      return;
    }
    const { width, height } = place(columns);
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: edges.length > readable ? "dense" : "", role: "group", "aria-label": `${nodes.size} exchanges and queues, ${edges.length} links` },
      svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { d: "M0 0L8 4L0 8Z" }))));
    for (const e of edges) picture.append((e.element = drawEdge(e)));
    for (const n of nodes.values()) picture.append(this.#drawNode(n, edges));
    this.#into.replaceChildren(picture);
  }

  #drawNode(n, edges) {
    const queue = n.kind === "queue";
    const full = named(n.name, n.vhost);
    const near = edges.filter((e) => e.from === n.id || e.to === n.id);
    const g = svg("g", { class: `node ${n.kind}`, transform: `translate(${n.x} ${n.y})`, tabindex: 0, role: "img", "aria-label": `${n.kind} ${full}, ${n.type}` },
      svg("title", {}, full),
      svg("rect", { width: node.width, height: node.height, rx: 9 }),
      svg("text", { x: 12, y: 19 }, cut(full, queue ? 18 : 25)),
      svg("text", { x: 12, y: 34, class: "kind" }, n.type));
    if (queue) {
      const depth = svg("text", { x: node.width - 12, y: 19, class: "depth" }, "0");
      this.#depths.set(n.id, depth);
      g.append(depth);
    }
    const choose = (on) => () => near.forEach((e) => e.element.classList.toggle("chosen", on));
    for (const [event, on] of [["mouseenter", true], ["focus", true], ["mouseleave", false], ["blur", false]]) g.addEventListener(event, choose(on));
    return g;
  }
}

const id = (kind, vhost, name) => JSON.stringify([kind, vhost, name]);
const cut = (text, most) => ([...text].length > most ? [...text].slice(0, most - 1).join("") + "…" : text);

// arrange finds the nodes, one edge for all bindings between two of them, and the
// columns. Exchanges without bindings are left out; a queue without any has the
// default exchange's implied one drawn.
function arrange({ queues, exchanges, bindings }) {
  const nodes = new Map();
  const edges = new Map();
  const types = new Map(exchanges.map((x) => [id("exchange", x.vhost, x.name), x.type]));
  const add = (kind, vhost, name, type) => {
    const key = id(kind, vhost, name);
    if (!nodes.has(key)) nodes.set(key, { id: key, kind, vhost, name: kind === "exchange" ? exchangeName(name) : name, type: type ?? types.get(key) ?? kind, column: 0 });
    return key;
  };
  const link = (from, to, label, implied) => {
    const key = `${from} ${to}`;
    if (!edges.has(key)) edges.set(key, { from, to, labels: [], implied });
    if (label) edges.get(key).labels.push(label);
  };
  for (const q of queues) add("queue", q.vhost, q.name, q.type);
  for (const b of bindings) {
    link(add("exchange", b.vhost, b.source), add(b.destination_type, b.vhost, b.destination), label(b), false);
  }
  const bound = new Set([...edges.values()].map((e) => e.to));
  for (const q of queues) {
    const key = id("queue", q.vhost, q.name);
    if (!bound.has(key)) link(add("exchange", q.vhost, "", "direct"), key, "", true);
  }
  const all = [...edges.values()];
  return { nodes, edges: all, columns: layers(nodes, all) };
}

function label(b) {
  const headers = Object.keys(b.arguments).length ? JSON.stringify(b.arguments) : "";
  return [b.routing_key, headers].filter(Boolean).join(" ");
}

// layers puts queues into the last column, exchanges that lead only to them into the
// one before, and what leads to such an exchange to the left of it, in three columns of
// exchanges at most.
function layers(nodes, edges) {
  const between = edges.filter((e) => nodes.get(e.to).kind === "exchange");
  const heights = new Map();
  const height = (key, above) => {
    if (above.has(key)) return -1; // a circle ends here
    if (!heights.has(key)) {
      const below = between.filter((e) => e.from === key).map((e) => height(e.to, new Set(above).add(key)));
      heights.set(key, Math.min(2, 1 + Math.max(-1, ...below)));
    }
    return heights.get(key);
  };
  const exchanges = [...nodes.values()].filter((n) => n.kind === "exchange");
  const last = 1 + Math.max(0, ...exchanges.map((n) => height(n.id, new Set())));
  const columns = Array.from({ length: last + 1 }, () => []);
  for (const n of nodes.values()) {
    n.column = n.kind === "queue" ? last : last - 1 - heights.get(n.id);
    columns[n.column].push(n);
  }
  for (const e of edges) thread(e, nodes, columns);
  columns[0].forEach((n, i) => (n.row = i / columns[0].length));
  columns.slice(1).forEach((column) => untangle(column, edges));
  return columns;
}

// thread gives an edge a place in each column that it passes, so that it goes
// between the nodes there.
function thread(e, nodes, columns) {
  const from = nodes.get(e.from), to = nodes.get(e.to);
  e.path = [from];
  for (let c = from.column + 1; c < to.column; c++) {
    const pass = { passes: true };
    columns[c].push(pass);
    e.path.push(pass);
  }
  e.path.push(to);
}

// untangle orders a column by where in the column before it its links begin.
function untangle(column, edges) {
  for (const n of column) {
    const rows = edges.filter((e) => e.path.includes(n, 1)).map((e) => e.path[e.path.indexOf(n, 1) - 1].row ?? 0);
    n.mean = rows.length ? rows.reduce((a, b) => a + b) / rows.length : 0;
  }
  column.sort((a, b) => a.mean - b.mean);
  column.forEach((n, i) => (n.row = i / column.length));
}

// place gives everything its coordinates and is the size of the picture.
function place(columns) {
  const room = (n) => (n.passes ? lane : node.height + node.gap);
  const heights = columns.map((c) => c.reduce((sum, n) => sum + room(n), 0));
  const height = Math.max(...heights);
  const step = Math.max(node.width + aisle, (atLeast - node.width - 4) / (columns.length - 1));
  columns.forEach((column, i) => {
    const spare = (height - heights[i]) / column.length;
    let y = 0;
    for (const n of column) {
      n.x = 2 + i * step;
      n.middle = y + (room(n) + spare) / 2;
      n.y = n.middle - node.height / 2;
      y += room(n) + spare;
    }
  });
  return { width: 4 + node.width + step * (columns.length - 1), height };
}

function drawEdge(e) {
  const text = cut(labels(e.labels), 28);
  const { d, x, y } = e.path.at(-1).column > e.path[0].column ? forward(e.path) : backward(e.path[0], e.path.at(-1));
  return svg("g", { class: e.implied ? "edge implied" : "edge" },
    svg("path", { d, "marker-end": "url(#arrow)" }),
    ...(text ? [svg("text", { x, y: y + 4 }, svg("title", {}, e.labels.join("\n")), text)] : []));
}

// forward is the line through all places of a path, and where its label stands: in
// the middle of the last curve, which is that of its ends.
function forward(path) {
  let d = "";
  let middle;
  path.slice(1).forEach((to, i) => {
    const from = path[i];
    const a = { x: from.x + node.width, y: from.middle };
    const b = { x: to.x - (to.passes ? 0 : 2), y: to.middle };
    const bend = (b.x - a.x) / 2;
    d += `${i ? "L" : "M"}${a.x} ${a.y}C${a.x + bend} ${a.y} ${b.x - bend} ${b.y} ${b.x} ${b.y}`;
    middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  });
  return { d, ...middle };
}

// backward is the line of a circle of exchanges, or of one that is bound to itself.
function backward(from, to) {
  const a = { x: from.x + node.width, y: from.middle }, b = { x: to.x - 2, y: to.middle };
  const low = Math.max(a.y, b.y) + 40;
  return { d: `M${a.x} ${a.y}C${a.x + 50} ${low} ${b.x - 50} ${low} ${b.x} ${b.y}`, x: (a.x + b.x) / 2, y: low - 12 };
}

const labels = (all) => (all.length > 2 ? `${all.slice(0, 2).join(", ")}, +${all.length - 2}` : all.join(", "));
