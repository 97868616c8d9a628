// A table whose rows stay the same elements while they show the same objects, so
// that nothing moves but what has changed.

import { element, setText } from "./dom.js";
import { sparkline } from "./history.js";

// Table has columns {title, class, text(object), hint(object)}, the hint being for
// the mouse and the text by default, or {title, class, lines, series(object)} for a
// sparkline. The first one heads its row.
export class Table {
  #columns;
  #rows = new Map();
  #body = element("tbody");
  #empty;

  constructor(into, caption, columns, empty) {
    this.#columns = columns;
    this.#empty = element("tr", {}, element("td", { class: "empty", colspan: columns.length }, empty));
    const heads = columns.map((c) => element("th", { scope: "col", class: c.class }, c.title));
    into.append(element("table", { "aria-label": caption }, element("thead", {}, element("tr", {}, ...heads)), this.#body));
  }

  show(objects, key) {
    const rows = objects.map((o) => this.#row(key(o), o));
    const seen = new Set(objects.map(key));
    for (const k of this.#rows.keys()) if (!seen.has(k)) this.#rows.delete(k);
    const wanted = rows.length ? rows : [this.#empty];
    wanted.forEach((row, i) => {
      if (this.#body.children[i] !== row) this.#body.insertBefore(row, this.#body.children[i] ?? null);
    });
    while (this.#body.children.length > wanted.length) this.#body.lastChild.remove();
  }

  #row(key, object) {
    let row = this.#rows.get(key);
    if (!row) this.#rows.set(key, (row = this.#newRow()));
    for (const fill of row.cells) fill(object);
    return row.node;
  }

  #newRow() {
    const node = element("tr");
    const cells = this.#columns.map((c, i) => {
      const cell = element(i ? "td" : "th", { class: c.class, scope: i ? undefined : "row" });
      node.append(cell);
      if (!c.lines) {
        return (o) => {
          setText(cell, c.text(o));
          if (!c.class?.includes("number")) cell.title = c.hint ? c.hint(o) : cell.textContent;
        };
      }
      const spark = sparkline(...c.lines);
      cell.append(spark.node);
      return (o) => spark.draw(...c.series(o));
    });
    return { node, cells };
  }
}
