/** The page's end of DataBrowser: the way, a filter, the rows, and what to do with them. */

import { icon } from "./icons.js";
import { RowList } from "./list.js";
import { awayNotice, button, el, errorLine, listen, mountLine, redraw, set } from "./parts.js";
import { baseName, count, size } from "./words.js";

const FILTER_MS = 200;

function render({ model, el: root }) {
  const view = () => model.get("_view");
  let cameFrom = null;

  const go = row => {
    const path = view().path;
    if (row === null && path === "/") return;
    if (model.get("selected").length > 0) set(model, "selected", []);
    if (row === null) {
      cameFrom = baseName(path);
      set(model, "path", path.slice(0, path.lastIndexOf("/")) || "/");
    } else {
      model.send({ do: "enter", path: row.path, kind: row.kind });
    }
  };
  const list = new RowList(model, go);

  // The way here

  const crumbs = el("nav", { class: "dmsw-crumbs", "aria-label": "Path" });
  const crumbsOf = path => {
    const names = path.split("/").filter(name => name !== "");
    const steps = names.map((name, index) => [name, `/${names.slice(0, index + 1).join("/")}`]);
    const nodes = [["Data", "/"], ...steps].map(([name, path], index) => {
      const here = index === names.length;
      const step = el(
        "button",
        {
          type: "button",
          class: "dmsw-crumb",
          "data-lm-suppress-shortcuts": "true",
          "aria-current": here && "location",
          onclick: () => {
            set(model, "selected", []);
            set(model, "path", path);
          },
        },
        ...(index === 0 ? [icon("home"), name] : [name]),
      );
      return index === 0 ? [step] : [el("span", { class: "dmsw-dim", "aria-hidden": "true" }, "/"), step];
    });
    return nodes.flat();
  };
  const drawCrumbs = () => {
    const path = view().path ?? model.get("path");
    const focused = crumbs.contains(document.activeElement);
    redraw(crumbs, path, () => crumbsOf(path));
    if (focused && !crumbs.contains(document.activeElement)) crumbs.lastChild.focus();
    crumbs.scrollLeft = crumbs.scrollWidth;
  };

  // What to do with the selection

  const change = name => () => model.send({ do: "change", change: name, paths: model.get("selected") });
  const unpinning = () => {
    const rows = list.known(model.get("selected"));
    return rows.length > 0 && rows.every(row => row.state === "pinned");
  };
  const copy = async () => {
    const mountpoint = model.get("mount").mountpoint.replace(/\/$/, "");
    const paths = model.get("selected").map(path => mountpoint + path);
    try {
      await navigator.clipboard.writeText(paths.join("\n"));
      said = paths.length === 1 ? `Copied ${paths[0]}` : `Copied ${count(paths.length)} paths`;
      draw();
    } catch {
      set(model, "error", "This page may not copy; take the paths from the widget's .paths in a cell.");
    }
  };
  const actions = {
    prefetch: button("Fetch now", "fetch", change("prefetch")),
    pin: button("Pin", "pin", change("pin")),
    unpin: button("Unpin", "unpin", change("unpin")),
    evict: button("Free space", "evict", change("evict")),
    copy: button("Copy path", "copy", copy),
  };
  const refresh = button("Refresh", "refresh", () => model.send({ do: "refresh" }), {
    "data-bare": "",
  });
  const toolbar = el(
    "div",
    { class: "dmsw-toolbar", role: "group", "aria-label": "With the selection" },
    ...Object.values(actions),
  );

  // The filter

  let filtering = 0;
  const filter = el("input", {
    class: "dmsw-filter",
    type: "search",
    placeholder: "Filter",
    "aria-label": "Filter by name",
    "data-lm-suppress-shortcuts": "true",
    oninput: () => {
      clearTimeout(filtering);
      filtering = setTimeout(() => set(model, "filter", filter.value), FILTER_MS);
    },
    onkeydown: event => {
      event.stopPropagation();
      if (event.key === "ArrowDown" || event.key === "Enter") {
        event.preventDefault();
        list.node.focus();
      } else if (event.key === "Escape") {
        filter.value = "";
        set(model, "filter", "");
      }
    },
  });

  // What there is to say

  let said = "";
  const empty = el("div", { class: "dmsw-empty" });
  const status = el("span", { class: "dmsw-said", role: "status" });
  const describe = () => {
    const { entries = 0, complete, count: shown = 0 } = view();
    const selected = model.get("selected");
    const wanted = model.get("filter");
    const all = `${count(entries)} ${entries === 1 ? "entry" : "entries"}`;
    let words = complete ? all : `${all} so far …`;
    if (wanted !== "") words = `${count(shown)} of ${words} match “${wanted}”`;
    if (selected.length > 0) {
      const rows = list.known(selected);
      const total = rows.reduce((sum, row) => sum + (row.kind === "file" ? row.bytes : 0), 0);
      const bytes = rows.length === selected.length && total > 0 ? `, ${size(total)}` : "";
      words += ` · ${count(selected.length)} selected${bytes}`;
    }
    return words;
  };

  const errors = errorLine(model);
  const away = awayNotice(model);
  const mount = mountLine(model);
  const body = el("div", { class: "dmsw-body" }, list.node, el("div", { class: "dmsw-ring" }), empty);
  const draw = () => {
    const { writable, complete, count: shown, version } = view();
    const selected = model.get("selected");
    errors.draw();
    mount.draw();
    const isAway = away.draw();
    for (const part of [top, bar, body, foot]) part.hidden = isAway;
    drawCrumbs();
    if (filtering === 0 || document.activeElement !== filter) filter.value = model.get("filter");
    list.node.style.height = `${model.get("height")}px`;
    empty.hidden = !complete || shown > 0 || version === 0;
    empty.textContent =
      model.get("filter") === ""
        ? "This folder is empty"
        : `Nothing here matches “${model.get("filter")}”`;
    for (const action of Object.values(actions)) {
      action.setAttribute("aria-disabled", selected.length === 0);
    }
    const unpin = unpinning();
    actions.pin.hidden = unpin;
    actions.unpin.hidden = !unpin;
    const access = writable ? ["Read and write"] : [icon("lock"), "Read-only"];
    const words = version === undefined ? "Listing …" : said || describe();
    redraw(status, `${writable}${words}`, () => [
      words,
      ...(version === undefined ? [] : [el("span", { class: "dmsw-access" }, ...access)]),
    ]);
  };
  toolbar.addEventListener(
    "click",
    event => {
      if (model.get("selected").length === 0) event.stopImmediatePropagation();
    },
    true,
  );

  const top = el("div", { class: "dmsw-top" }, crumbs, refresh);
  const bar = el("div", { class: "dmsw-bar" }, toolbar, filter);
  const foot = el("div", { class: "dmsw-foot" }, status, mount.node);
  root.classList.add("dmsw", "dmsw-browser");
  root.append(away.node, errors.node, top, bar, body, foot);

  const viewed = () => {
    if (view().version !== undefined) list.setView(view());
    if (cameFrom !== null && view().count > 0) {
      model.send({ do: "find", text: cameFrom, after: 0 });
      cameFrom = null;
    }
    draw();
  };
  const selected = () => {
    said = "";
    list.draw();
    draw();
  };
  const stop = listen(model, {
    "change:_view": viewed,
    "change:selected": selected,
    "change:error change:away change:mount change:filter change:height change:multiple": draw,
    "msg:custom": message => {
      list.take(message);
      draw();
    },
  });
  viewed();

  return () => {
    stop();
    clearTimeout(filtering);
    list.dispose();
  };
}

export default { render };
