/**
 * The three paths of one entry. Pure.
 *
 * tree path     /archive/x.nxs          in the DMS, the same everywhere
 * mounted path  /data/archive/x.nxs     for code on this machine
 * drive path    dms:archive/x.nxs       in the panel
 */

import { IMountHere } from './model';

/** Name of the panel's drive. */
export const DRIVE = 'dms';

/** The tree path of a drive path, or of one without its drive. */
export function treePath(path: string): string {
  const local = path.startsWith(`${DRIVE}:`)
    ? path.slice(DRIVE.length + 1)
    : path;
  return `/${local.replace(/^\/+|\/+$/g, '')}`;
}

/** Where code on this machine finds an entry. */
export function mountedPath(mountpoint: string, tree: string): string {
  const joined = `${mountpoint.replace(/\/+$/, '')}${tree}`;
  return joined.length > 1 ? joined.replace(/\/+$/, '') : joined;
}

/**
 * The path in the stock file browser, or null where that does not reach:
 * it shows what is below the server's root folder only.
 */
export function browserPath(mount: IMountHere, tree: string): string | null {
  const place = mountedPath(mount.mountpoint, tree);
  const root = `${mount.root_dir.replace(/\/+$/, '')}/`;
  return place.startsWith(root) ? place.slice(root.length) : null;
}

/** The name at the end of a path. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Whether a text is an experiment's number, as people write it. */
export function isExperimentNumber(text: string): boolean {
  return /^(rb\s*\d{1,10}|\d{5,10})$/i.test(text.trim());
}

/** Paths as code: a literal for one, a list for several; also valid JSON. */
export function asCode(paths: string[]): string {
  const [only] = paths;
  return paths.length === 1
    ? JSON.stringify(only)
    : `[\n${paths.map(path => `    ${JSON.stringify(path)},\n`).join('')}]`;
}
