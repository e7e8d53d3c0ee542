/**
 * A list box that holds any number of rows and draws those in sight.
 *
 * The keys of the ARIA list box: arrows, Page Up and Down, Home, End move; Space
 * selects; with Shift they select a span; Ctrl+A all; Escape none; letters find.
 * Enter goes in, Backspace out.
 */

import { icon } from "./icons.js";
import { el, perFrame, set } from "./parts.js";
import { Rows, hasBadge, rowSentence } from "./rows.js";
import { size, when } from "./words.js";

const ROW_PX = 28;
const AROUND = 8;
const TYPING_MS = 800;

/** The rows of the folder. `go` is called with a row to enter, or with null to go up. */
export class RowList {
  constructor(model, go) {
    this.model = model;
    this.go = go;
    this.rows = new Rows(message => model.send(message));
    this.active = 0;
    this.anchor = 0;
    this.nodes = new Map();
    this.typed = "";
    this.id = `dmsw-${Math.random().toString(36).slice(2)}`;
    this.space = el("div", { class: "dmsw-list-space", role: "presentation" });
    this.node = el(
      "div",
      {
        class: "dmsw-list",
        role: "listbox",
        tabindex: "0",
        "aria-label": "Files and folders",
        // Notebook 7 would move between cells: it looks for this on the focused element.
        "data-lm-suppress-shortcuts": "true",
        onkeydown: event => this.key(event),
        onscroll: () => this.draw(),
        onmousedown: event => event.detail > 1 && event.preventDefault(),
        onclick: event => this.click(event),
        ondblclick: event => this.enter(this.indexAt(event)),
      },
      this.space,
    );
    this.draw = perFrame(() => this.drawNow());
    this.watcher = new ResizeObserver(() => this.draw());
    this.watcher.observe(this.node);
  }

  dispose() {
    this.watcher.disconnect();
    this.draw.cancel();
    clearTimeout(this.typing);
  }

  get count() {
    return this.rows.view.count;
  }

  /** The rows of these paths, as far as they are here. */
  known(paths) {
    return paths.map(path => this.rows.byPath.get(path)).filter(row => row !== undefined);
  }

  setView(view) {
    const { path, filter } = this.rows.view;
    this.rows.setView(view);
    // Now and not with the next frame: whoever is quick at End scrolls where there is room.
    this.space.style.height = `${view.count * ROW_PX}px`;
    if (view.path !== path || view.filter !== filter) {
      this.node.scrollTop = 0;
      this.active = this.anchor = 0;
    }
    this.active = Math.max(Math.min(this.active, view.count - 1), 0);
    this.draw();
  }

  take(message) {
    if (message.kind === "rows") this.rows.take(message);
    if (message.kind === "states" && !this.rows.takeStates(message.states)) return;
    if (message.kind === "found" && message.index !== null) this.move(message.index);
    this.draw();
  }

  key(event) {
    const page = Math.max(Math.floor(this.node.clientHeight / ROW_PX) - 1, 1);
    const control = event.ctrlKey || event.metaKey;
    const letter = event.key.length === 1 && event.key !== " " && !control && !event.altKey;
    if (!letter && !["Shift", "AltGraph"].includes(event.key)) this.typed = "";
    const to = {
      ArrowDown: this.active + 1,
      ArrowUp: this.active - 1,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: 0,
      End: this.count - 1,
    }[event.key];
    if (event.key === "Backspace" || (event.altKey && event.key === "ArrowUp")) this.go(null);
    else if (event.altKey) return;
    else if (to !== undefined) this.moveBy(to, event.shiftKey);
    else if (event.key === "Enter") this.enter(this.active);
    else if (event.key === " ") this.choose(this.active, event.shiftKey ? "span" : "toggle");
    else if (control && event.key.toLowerCase() === "a") this.span(0, this.count - 1);
    else if (event.key === "Escape") set(this.model, "selected", []);
    else if (letter) this.find(event.key);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  click(event) {
    const index = this.indexAt(event);
    if (index === null) return;
    this.active = index;
    this.choose(index, event.shiftKey ? "span" : event.ctrlKey || event.metaKey ? "toggle" : "only");
  }

  indexAt(event) {
    const node = event.target.closest("[role=option]");
    return node === null ? null : Number(node.dataset.index);
  }

  moveBy(to, spanning) {
    const from = this.active;
    this.move(to);
    if (!spanning) this.anchor = this.active;
    else if (from !== this.active) this.span(this.anchor, this.active);
  }

  /** Make a row the active one and bring it into sight. */
  move(to) {
    this.active = Math.max(Math.min(to, this.count - 1), 0);
    const top = this.active * ROW_PX;
    const { scrollTop, clientHeight } = this.node;
    if (top < scrollTop) this.node.scrollTop = top;
    else if (top + ROW_PX > scrollTop + clientHeight) {
      this.node.scrollTop = top + ROW_PX - clientHeight;
    }
    this.draw();
  }

  enter(index) {
    const row = this.rows.byIndex.get(index);
    if (row === undefined) return;
    if (row.kind === "file") this.choose(index, "only");
    else this.go(row);
  }

  choose(index, how) {
    const row = this.rows.byIndex.get(index);
    const multiple = this.model.get("multiple");
    if (row === undefined) {
      const add = multiple && how === "toggle";
      if (index < this.count) this.model.send({ do: "select", first: index, end: index + 1, add });
      return;
    }
    if (how === "span" && multiple) {
      this.span(this.anchor, index);
      return;
    }
    this.anchor = index;
    const selected = this.model.get("selected");
    const without = selected.filter(path => path !== row.path);
    if (how !== "toggle") set(this.model, "selected", [row.path]);
    else if (without.length < selected.length) set(this.model, "selected", without);
    else set(this.model, "selected", multiple ? [...selected, row.path] : [row.path]);
  }

  /** Select all from one row to another; Python knows those that are not here. */
  span(one, other) {
    if (!this.model.get("multiple") || this.count === 0) return;
    const first = Math.min(one, other);
    this.model.send({ do: "select", first, end: Math.max(one, other) + 1 });
  }

  find(letter) {
    this.typed += letter;
    clearTimeout(this.typing);
    this.typing = setTimeout(() => (this.typed = ""), TYPING_MS);
    const after = this.active + (this.typed.length === 1 ? 1 : 0);
    const index = this.rows.find(this.typed, after);
    if (index === undefined) this.model.send({ do: "find", text: this.typed, after });
    else if (index !== null) this.move(index);
  }

  drawNow() {
    const { scrollTop, clientHeight } = this.node;
    const first = Math.max(Math.floor(scrollTop / ROW_PX) - AROUND, 0);
    const end = Math.min(Math.ceil((scrollTop + clientHeight) / ROW_PX) + AROUND, this.count);
    this.rows.want(first, end);
    if (this.active < this.count) this.rows.want(this.active, this.active + 1);
    this.node.setAttribute("aria-multiselectable", this.model.get("multiple"));
    const selected = new Set(this.model.get("selected"));
    const shown = new Set();
    for (let index = first; index < end; index += 1) shown.add(index);
    if (this.active < this.count) shown.add(this.active);
    for (const [index, node] of this.nodes) {
      if (!shown.has(index)) {
        node.remove();
        this.nodes.delete(index);
      }
    }
    for (const index of [...shown].sort((a, b) => a - b)) {
      this.drawRow(index, this.rows.byIndex.get(index), selected);
    }
    if (this.count > 0) this.node.setAttribute("aria-activedescendant", `${this.id}-${this.active}`);
    else this.node.removeAttribute("aria-activedescendant");
  }

  drawRow(index, row, selected) {
    let node = this.nodes.get(index);
    if (node === undefined) {
      node = el("div", { class: "dmsw-row", role: "option", id: `${this.id}-${index}` });
      node.dataset.index = index;
      node.style.top = `${index * ROW_PX}px`;
      this.nodes.set(index, node);
      this.space.append(node);
    }
    node.classList.toggle("dmsw-active", index === this.active);
    node.setAttribute("aria-setsize", this.count);
    node.setAttribute("aria-posinset", index + 1);
    node.setAttribute("aria-selected", row !== undefined && selected.has(row.path));
    const drawn = row === undefined ? "" : JSON.stringify(row);
    if (node.dataset.drawn === drawn) return;
    node.dataset.drawn = drawn;
    if (row === undefined) node.replaceChildren("…");
    else fill(node, row);
  }
}

/** Draw a row's name, badge, size and time. */
function fill(node, row) {
  const sentence = rowSentence(row);
  node.title = `${sentence}\n${row.path}`;
  node.setAttribute("aria-label", row.kind === "file" ? `${sentence} ${size(row.bytes)}` : sentence);
  node.dataset.kind = row.kind;
  const name = el("span", { class: "dmsw-name" }, row.name);
  const cells = [icon(row.kind), name];
  if (row.kind === "folder" && !row.writable) {
    name.append(icon("lock"));
  }
  cells.push(hasBadge(row) ? badge(row) : el("span"));
  cells.push(el("span", { class: "dmsw-size" }, row.kind === "file" ? size(row.bytes) : ""));
  cells.push(el("span", { class: "dmsw-when" }, when(row.mtime)));
  node.replaceChildren(...cells);
}

/** The state as a shape and a word; partial with how much. */
function badge(row) {
  const word = row.state === "partial" ? `${row.percent} %` : row.state;
  const node = el("span", { class: "dmsw-badge", "data-state": row.state }, icon(row.state), word);
  node.style.setProperty("--dmsw-percent", `${row.percent}%`);
  return node;
}
