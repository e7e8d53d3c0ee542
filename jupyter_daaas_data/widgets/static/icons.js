/** Icons, drawn in the text's colour at 16 px: one shape per cache state, as in the file panel. */

const STROKE =
  'fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round"';

const PIN =
  '<path fill="currentColor" d="M5.2 1.8h5.6a.5.5 0 0 1 .5.6L10.7 6.6l2.3 2.2a.5.5 0 0 1-.3.9H8.7v4.2L8 15l-.7-1.1V9.7h-4a.5.5 0 0 1-.3-.9l2.3-2.2-.6-4.2a.5.5 0 0 1 .5-.6z"/>';

const SHAPES = {
  remote: `<path ${STROKE} d="M4.5 12.3a2.9 2.9 0 0 1-.3-5.8 4 4 0 0 1 7.7.9 2.5 2.5 0 0 1-.4 4.9z"/>`,
  partial: `<circle ${STROKE} cx="8" cy="8" r="5.6"/><path fill="currentColor" d="M8 4.2a3.8 3.8 0 0 1 0 7.6z"/>`,
  cached:
    '<path fill="currentColor" d="M8 1.7a6.3 6.3 0 1 0 0 12.6A6.3 6.3 0 0 0 8 1.7zm3.6 4.9-4.1 4.3a.7.7 0 0 1-1 0L4.4 8.7a.7.7 0 0 1 1-1L7 9.3l3.6-3.7a.7.7 0 0 1 1 1z"/>',
  pinned: PIN,
  dirty:
    '<path fill="currentColor" d="m10.6 2.3 3.1 3.1-7.9 7.9-3.7.6.6-3.7z"/>',
  sending: `<path ${STROKE} d="M8 13.5V4M4.5 7.2 8 3.7l3.5 3.5"/>`,
  stuck:
    '<path fill="currentColor" d="M8.9 2.2a1 1 0 0 0-1.8 0L1.4 12.6a1 1 0 0 0 .9 1.5h11.4a1 1 0 0 0 .9-1.5zM7.2 6h1.6v4H7.2zm0 5.2h1.6v1.6H7.2z"/>',
  folder: `<path ${STROKE} d="M1.8 12.6V3.8h4.3l1.5 1.9h6.6v6.9z"/>`,
  file: `<path ${STROKE} d="M3.6 1.9h5.6l3.2 3.2v9H3.6zM9 2.1v3.2h3.2"/>`,
  link: `<path ${STROKE} d="M6.6 9.4 9.4 6.6M7.3 4.7l1.5-1.5a2.8 2.8 0 0 1 4 4l-1.5 1.5M8.7 11.3l-1.5 1.5a2.8 2.8 0 0 1-4-4l1.5-1.5"/>`,
  lock: `<g ${STROKE}><rect x="3.5" y="7" width="9" height="6.5" rx="1"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2"/></g>`,
  fetch: `<path ${STROKE} d="M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.3h10"/>`,
  pin: PIN,
  unpin: `<g ${STROKE}><path d="M6 2.5h5l-.6 4.3 2.1 2.2H4L6.1 6.8zM8.3 9v4.7"/><path d="m2.5 2.5 11 11"/></g>`,
  evict: `<g ${STROKE}><rect x="1.8" y="4" width="12.4" height="8" rx="1.6"/><path d="M5.4 8h5.2"/></g>`,
  copy: `<g ${STROKE}><rect x="5.5" y="5.5" width="8" height="8.5" rx="1"/><path d="M10.5 3V2.2H2.6v8.3h.9"/></g>`,
  refresh: `<path ${STROKE} d="M13 8a5 5 0 1 1-1.5-3.6L13 5.8M13 2.6v3.2H9.8"/>`,
  home: `<path ${STROKE} d="M8 2.2c-3 0-5.2.9-5.2 2.1S5 6.4 8 6.4s5.2-.9 5.2-2.1S11 2.2 8 2.2zM2.8 4.4v7.2c0 1.2 2.2 2.1 5.2 2.1s5.2-.9 5.2-2.1V4.4M2.8 8c0 1.2 2.2 2.1 5.2 2.1s5.2-.9 5.2-2.1"/>`,
  close: `<path ${STROKE} d="m4 4 8 8M12 4l-8 8"/>`,
};

/** A node with an icon, which says nothing to a screen reader. */
export function icon(name) {
  const node = document.createElement("span");
  node.className = "dmsw-icon";
  node.setAttribute("aria-hidden", "true");
  node.innerHTML = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">${SHAPES[name]}</svg>`;
  return node;
}
