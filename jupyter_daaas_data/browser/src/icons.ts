/**
 * Icons of the panel. One shape per cache state, so that it is read without
 * its colour; all are drawn in `currentColor` at 16 px.
 */

import { LabIcon } from '@jupyterlab/ui-components';

import { CacheState } from './model';

function icon(name: string, body: string): LabIcon {
  return new LabIcon({
    name: `@jupyter-daaas/data:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">${body}</svg>`
  });
}

const STROKE =
  'fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round"';

/** The panel: a stack of disks, as data stores are drawn everywhere. */
export const dataIcon = new LabIcon({
  name: '@jupyter-daaas/data:panel',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24" viewBox="0 0 24 24">
    <g class="jp-icon3" fill="#616161">
      <path d="M12 2.5c-4.7 0-8 1.5-8 3.4s3.3 3.4 8 3.4 8-1.5 8-3.4-3.3-3.4-8-3.4z"/>
      <path d="M4 8.3v3.9c0 1.9 3.3 3.4 8 3.4s8-1.5 8-3.4V8.3c-1.5 1.5-4.5 2.4-8 2.4s-6.5-.9-8-2.4z"/>
      <path d="M4 14.6v3.5c0 1.9 3.3 3.4 8 3.4s8-1.5 8-3.4v-3.5c-1.5 1.5-4.5 2.4-8 2.4s-6.5-.9-8-2.4z"/>
    </g></svg>`
});

/** Marks what takes no changes. */
export const lockIcon = icon(
  'lock',
  `<g ${STROKE}><rect x="3.5" y="7" width="9" height="6.5" rx="1"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2"/></g>`
);

/** Get the bytes here. */
export const fetchIcon = icon(
  'fetch',
  `<path ${STROKE} d="M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.3h10"/>`
);

/** Give up the local copy: a drive and a minus, for nothing is deleted. */
export const evictIcon = icon(
  'evict',
  `<g ${STROKE}><rect x="1.8" y="4" width="12.4" height="8" rx="1.6"/><path d="M5.4 8h5.2"/></g>`
);

/** Put the path into a cell. */
export const insertIcon = icon(
  'insert',
  `<path ${STROKE} d="M6.5 4.5V2.8h7.2v10.4H6.5v-1.7M1.8 8h7.4M6.8 5.5 9.3 8l-2.5 2.5"/>`
);

/** Take the pin away. */
export const unpinIcon = icon(
  'unpin',
  `<g ${STROKE}><path d="M6 2.5h5l-.6 4.3 2.1 2.2H4L6.1 6.8zM8.3 9v4.7"/><path d="m2.5 2.5 11 11"/></g>`
);

const pinned = `<path fill="currentColor" d="M5.2 1.8h5.6a.5.5 0 0 1 .5.6L10.7 6.6l2.3 2.2a.5.5 0 0 1-.3.9H8.7v4.2L8 15l-.7-1.1V9.7h-4a.5.5 0 0 1-.3-.9l2.3-2.2-.6-4.2a.5.5 0 0 1 .5-.6z"/>`;

/** Keep it here. */
export const pinIcon = icon('pin', pinned);

/** One shape per state. */
export const stateIcons: Record<CacheState, LabIcon> = {
  remote: icon(
    'remote',
    `<path ${STROKE} d="M4.5 12.3a2.9 2.9 0 0 1-.3-5.8 4 4 0 0 1 7.7.9 2.5 2.5 0 0 1-.4 4.9z"/>`
  ),
  partial: icon(
    'partial',
    `<circle ${STROKE} cx="8" cy="8" r="5.6"/><path fill="currentColor" d="M8 4.2a3.8 3.8 0 0 1 0 7.6z"/>`
  ),
  cached: icon(
    'cached',
    `<path fill="currentColor" d="M8 1.7a6.3 6.3 0 1 0 0 12.6A6.3 6.3 0 0 0 8 1.7zm3.6 4.9-4.1 4.3a.7.7 0 0 1-1 0L4.4 8.7a.7.7 0 0 1 1-1L7 9.3l3.6-3.7a.7.7 0 0 1 1 1z"/>`
  ),
  pinned: pinIcon,
  dirty: icon(
    'dirty',
    `<path fill="currentColor" d="m10.6 2.3 3.1 3.1-7.9 7.9-3.7.6.6-3.7z"/>`
  ),
  sending: icon(
    'sending',
    `<path ${STROKE} d="M8 13.5V4M4.5 7.2 8 3.7l3.5 3.5"/>`
  ),
  stuck: icon(
    'stuck',
    `<path fill="currentColor" d="M8.9 2.2a1 1 0 0 0-1.8 0L1.4 12.6a1 1 0 0 0 .9 1.5h11.4a1 1 0 0 0 .9-1.5zM7.2 6h1.6v4H7.2zm0 5.2h1.6v1.6H7.2z"/>`
  )
};
