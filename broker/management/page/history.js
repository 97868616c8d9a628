// What the page remembers of earlier snapshots: levels, and rates of counters,
// a minute of each.

import { svg } from "./dom.js";

const length = 60;

export class History {
  #series = new Map();
  #turn = 0;
  #now = 0;

  // begin starts a snapshot that came at a time, in milliseconds.
  begin(now) {
    this.#turn++;
    this.#now = now;
  }

  // end forgets what this snapshot did not have.
  end() {
    for (const [key, s] of this.#series) if (s.turn !== this.#turn) this.#series.delete(key);
  }

  level(key, value) {
    return this.#add(key, value);
  }

  // rate is how fast a counter grew since the snapshot before, per second.
  rate(key, value) {
    const before = this.#series.get(key);
    const seconds = before ? (this.#now - before.at) / 1000 : 0;
    const grown = seconds > 0 ? Math.max(0, (value - before.value) / seconds) : 0;
    const s = this.#add(key, grown);
    s.value = value;
    return s;
  }

  #add(key, point) {
    let s = this.#series.get(key);
    if (!s) this.#series.set(key, (s = { points: [] }));
    s.points.push(point);
    if (s.points.length > length) s.points.shift();
    s.turn = this.#turn;
    s.at = this.#now;
    s.last = point;
    return s;
  }
}

// sparkline draws lines of one scale, given their classes. The numbers beside it
// say the same, so it is hidden from readers of the page's text.
export function sparkline(...classes) {
  const lines = classes.map((c) => [svg("path", { class: `area ${c}` }), svg("path", { class: c })]);
  const node = svg("svg", { class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" }, ...lines.flat());
  return { node, draw: (...series) => draw(lines, series) };
}

function draw(lines, series) {
  const top = Math.max(1, ...series.flatMap((s) => s.points));
  lines.forEach(([area, line], i) => {
    const points = i && !Math.max(...series[i].points) ? [] : series[i].points; // a second line only where there is something
    const x = (k) => (100 * (length - points.length + k)) / (length - 1);
    const y = (p) => 19 - (18 * p) / top;
    const d = points.map((p, k) => `${k ? "L" : "M"}${x(k).toFixed(1)} ${y(p).toFixed(1)}`).join("");
    line.setAttribute("d", d);
    area.setAttribute("d", d && `${d}L100 20L${x(0).toFixed(1)} 20Z`);
  });
}
