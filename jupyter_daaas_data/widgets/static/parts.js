/** Small parts that both widgets are made of. Text is always set as text, never as HTML. */

import { icon } from "./icons.js";
import { size } from "./words.js";

/** An element with attributes and children; `on…` attributes listen. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/**
 * A button. Notebook 7 listens to keys before the page's elements do, except
 * where the focused element itself says that it wants them.
 */
export function button(label, picture, onclick, attributes = {}) {
  const shown = attributes["data-bare"] === undefined ? [icon(picture), label] : [icon(picture)];
  return el(
    "button",
    {
      type: "button",
      class: "dmsw-button",
      title: label,
      "aria-label": label,
      "data-lm-suppress-shortcuts": "true",
      onclick,
      ...attributes,
    },
    ...shown,
  );
}

/** The line for errors: it stays until it is dismissed or the next thing works. */
export function errorLine(model) {
  const text = el("span", { class: "dmsw-error-text" });
  const dismiss = button("Dismiss", "close", () => set(model, "error", ""), { "data-bare": "" });
  const line = el("div", { class: "dmsw-error", role: "alert" });
  return {
    node: line,
    draw() {
      const said = model.get("error");
      text.textContent = said;
      line.hidden = said === "";
      redraw(line, said, () => (said === "" ? [] : [icon("stuck"), text, dismiss]));
    },
  };
}

/** What is in the place of the contents when there is no mount. */
export function awayNotice(model) {
  const node = el("div", { class: "dmsw-away", role: "status" });
  return {
    node,
    draw() {
      const reason = model.get("away");
      const waiting = reason === "" && model.get("mount").mountpoint === undefined;
      node.hidden = reason === "" && !waiting;
      redraw(node, `${waiting}${reason}`, () =>
        waiting
          ? ["Looking for the data mount …"]
          : [
              icon("stuck"),
              el("div", { class: "dmsw-away-title" }, "Experiment data is not available"),
              el("div", {}, reason),
              el("div", { class: "dmsw-dim" }, "This widget goes on when it is."),
            ],
      );
      return !node.hidden;
    },
  };
}

/** The line about the mount: how full its cache is, and whether its service answers. */
export function mountLine(model) {
  const node = el("span", { class: "dmsw-mount" });
  return {
    node,
    draw() {
      const mount = model.get("mount");
      const parts = [];
      if (mount.reachable === false) {
        parts.push(
          el(
            "span",
            { class: "dmsw-offline", title: mount.reason },
            icon("stuck"),
            "Data service not reachable; what is cached stays readable.",
          ),
        );
      }
      if (mount.mountpoint !== undefined) {
        parts.push(`Cache ${size(mount.cache_bytes)} of ${size(mount.cache_limit_bytes)}`);
      }
      node.replaceChildren(...parts);
    },
  };
}

/**
 * Give a node new children if `key` is not that of the last time: what is drawn
 * anew loses the focus, and is read out again.
 */
export function redraw(node, key, children) {
  if (node.dataset.drawn === key) return;
  node.dataset.drawn = key;
  node.replaceChildren(...children());
}

/** Set a trait here and in Python. */
export function set(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

/** Call `draw` at most once per frame, however often it is asked for. */
export function perFrame(draw) {
  let due = 0;
  const ask = () => {
    due ||= requestAnimationFrame(() => {
      due = 0;
      draw();
    });
  };
  ask.cancel = () => cancelAnimationFrame(due);
  return ask;
}

/** Listen to the model, several events with a space between; the result stops it. */
export function listen(model, handlers) {
  const pairs = Object.entries(handlers).flatMap(([events, handler]) =>
    events.split(" ").map(event => [event, handler]),
  );
  for (const [event, handler] of pairs) model.on(event, handler);
  return () => {
    for (const [event, handler] of pairs) model.off(event, handler);
  };
}
