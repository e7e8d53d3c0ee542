/** The page's end of TransferMonitor. */

import { icon } from "./icons.js";
import { awayNotice, button, el, errorLine, listen, mountLine } from "./parts.js";
import { baseName, count, percent, progress } from "./words.js";

const UNDER_WAY = ["queued", "running"];

function render({ model, el: root }) {
  const rows = new Map();
  const list = el("ul", { class: "dmsw-transfers", "aria-label": "Transfers" });
  const status = el("span", { class: "dmsw-said", role: "status" });
  const clear = button("Clear ended", "close", () => model.send({ do: "clear" }));
  const empty = el(
    "div",
    { class: "dmsw-empty" },
    el("div", { class: "dmsw-away-title" }, "Nothing is on its way"),
    "Fetch files in a DataBrowser, in the file panel, or with “dms prefetch PATH”. " +
      "What your code opens comes by itself, block by block.",
  );
  const errors = errorLine(model);
  const away = awayNotice(model);
  const mount = mountLine(model);
  const top = el("div", { class: "dmsw-top" }, el("span", { class: "dmsw-title" }, "Transfers"), clear);
  const foot = el("div", { class: "dmsw-foot" }, status, mount.node);
  root.classList.add("dmsw", "dmsw-monitor");
  root.append(away.node, errors.node, top, list, empty, foot);

  const newRow = transfer => {
    const name = baseName(transfer.path);
    const bar = el("div", { class: "dmsw-progress", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": name }, el("div"));
    const text = el("span", { class: "dmsw-progress-text" });
    const stop = button(`Stop fetching ${name}`, "close", () => model.send({ do: "cancel", id: transfer.id }), {
      "data-bare": "",
      onkeydown: event => step(event, row.node),
    });
    const node = el("li", { class: "dmsw-transfer", title: transfer.path }, icon("fetch"), el("span", { class: "dmsw-name" }, name), text, stop, bar);
    const row = { node, bar, text, stop };
    return row;
  };

  /** Up and Down go from one stop button to the next. */
  const step = (event, node) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const stops = [...list.querySelectorAll("button:not([hidden])")];
    stops[stops.indexOf(node.querySelector("button")) + by]?.focus();
  };

  const drawRow = (row, transfer) => {
    const active = UNDER_WAY.includes(transfer.state);
    const done = percent(transfer);
    row.node.dataset.state = transfer.state;
    row.text.textContent = progress(transfer);
    if (!active && document.activeElement === row.stop) clear.focus();
    row.stop.hidden = !active;
    row.bar.setAttribute("aria-valuenow", done);
    row.bar.setAttribute("aria-valuetext", progress(transfer));
    row.bar.firstChild.style.width = `${done}%`;
  };

  const draw = () => {
    const shown = model.get("_shown");
    const active = shown.filter(transfer => UNDER_WAY.includes(transfer.state)).length;
    errors.draw();
    mount.draw();
    const isAway = away.draw();
    for (const part of [top, list, foot]) part.hidden = isAway;
    empty.hidden = isAway || shown.length > 0;
    clear.hidden = active === shown.length;
    const gone = new Set(rows.keys());
    shown.forEach((transfer, index) => {
      gone.delete(transfer.id);
      const row = rows.get(transfer.id) ?? newRow(transfer);
      rows.set(transfer.id, row);
      drawRow(row, transfer);
      if (list.children[index] !== row.node) list.insertBefore(row.node, list.children[index] ?? null);
    });
    for (const id of gone) {
      rows.get(id).node.remove();
      rows.delete(id);
    }
    const words = active === 0 ? "Nothing is under way" : `${count(active)} under way`;
    if (status.textContent !== words) status.textContent = words;
  };
  const stop = listen(model, { "change:_shown change:error change:away change:mount": draw });
  draw();
  return stop;
}

export default { render };
