/** The rows that the page has of a view, which may be much longer than what it shows. */

import { stateSentence } from "./words.js";

/** Rows are asked for in runs of this many. */
const RUN = 200;

/** The path of `name` in the folder at `path`. */
export function join(path, name) {
  return path === "/" ? `/${name}` : `${path}/${name}`;
}

/** Sparse rows of one version of the view. */
export class Rows {
  constructor(ask) {
    this.ask = ask;
    this.view = { version: -1, path: "/", filter: "", count: 0, entries: 0, complete: false };
    this.clear();
  }

  clear() {
    this.byIndex = new Map();
    this.byPath = new Map();
    this.asked = new Map();
  }

  /** Take a newer view; of another version all rows may be others. */
  setView(view) {
    if (view.version !== this.view.version) this.clear();
    this.view = view;
    if (this.byIndex.size === 0) {
      this.take({ version: view.version, first: 0, rows: view.head ?? [] });
    }
  }

  /** Have the rows from `first` to `end` asked for, those that are not here. */
  want(first, end) {
    const last = Math.min(end, this.view.count);
    for (let run = Math.floor(first / RUN); run * RUN < last; run += 1) {
      const till = Math.min((run + 1) * RUN, this.view.count);
      if (this.asked.get(run) !== till) {
        this.asked.set(run, till);
        this.ask({ do: "rows", version: this.view.version, first: run * RUN, end: till });
      }
    }
  }

  /** Take rows that were asked for, in the order of `Row.wire` in rows.py. */
  take({ version, first, rows }) {
    if (version !== this.view.version) return;
    rows.forEach((row, index) => {
      const [name, kind, bytes, mtime, state, percent, cached_bytes, writable, reason, remedy] = row;
      const path = join(this.view.path, name);
      const known = { name, path, kind, bytes, mtime, state, percent, cached_bytes, writable, reason, remedy };
      this.byIndex.set(first + index, known);
      this.byPath.set(path, known);
    });
  }

  /**
   * The next row from `after` on, and around, whose name starts with `text`.
   * null: there is none; undefined: rows that are not here would have to be asked.
   */
  find(text, after) {
    const start = text.toLowerCase();
    for (let step = 0; step < this.view.count; step += 1) {
      const index = (after + step) % this.view.count;
      const row = this.byIndex.get(index);
      if (row === undefined) return undefined;
      if (row.name.toLowerCase().startsWith(start)) return index;
    }
    return null;
  }

  /** Take newer states; true if any row here has one. */
  takeStates(states) {
    let any = false;
    for (const [path, [state, percent, cached_bytes, reason, remedy]] of Object.entries(states)) {
      const row = this.byPath.get(path);
      if (row !== undefined) {
        Object.assign(row, { state, percent, cached_bytes, reason, remedy });
        any = true;
      }
    }
    return any;
  }
}

/** Whether a row's state is worth a badge: that a folder is remote is no news. */
export function hasBadge(row) {
  return row.kind === "file" || row.state !== "remote";
}

/** All that a row shows, in words. */
export function rowSentence(row) {
  const parts = [row.kind === "file" ? row.name : `${row.name}, ${row.kind}`];
  if (hasBadge(row)) parts.push(stateSentence(row));
  if (row.kind === "folder" && !row.writable) parts.push("Read-only");
  return parts.join(". ");
}
