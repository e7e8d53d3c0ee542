/**
 * The nouns of the server extension's answers and events, as dms_core.model
 * defines them. Sizes are bytes, times are seconds since the epoch.
 */

import { Contents } from '@jupyterlab/services';

/** Where the bytes of an entry are. */
export type CacheState =
  'remote' | 'partial' | 'cached' | 'pinned' | 'dirty' | 'sending' | 'stuck';

/** Where a file's or folder's bytes are, for people. */
export interface IStatus {
  path: string;
  kind: 'file' | 'folder' | 'link';
  size: number;
  state: CacheState;
  percent: number;
  cached_bytes: number;
  writable: boolean;
  reason: string;
  remedy: string;
}

/** Bytes on their way into the cache. */
export interface ITransfer {
  id: string;
  path: string;
  state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled';
  done_bytes: number;
  total_bytes: number;
  started_s: number;
  reason: string;
}

/** A top folder with one policy. */
export interface IVolume {
  name: string;
  policy: 'archive' | 'home' | 'rb';
  storage: string;
  title: string;
}

/** A mount, its cache and how its service is. */
export interface IMountInfo {
  mountpoint: string;
  user: string;
  volumes: IVolume[];
  block_bytes: number;
  cache_bytes: number;
  cache_limit_bytes: number;
  fetched_bytes: number;
  service: string;
  reachable: boolean;
  reason: string;
}

/** The mount, and the folder that the stock file browser shows. */
export interface IMountHere extends IMountInfo {
  root_dir: string;
}

/** What changed since the event before: see events.yaml of the server extension. */
export interface IDataEvent {
  connected: boolean;
  reason: string;
  statuses: IStatus[];
  transfers: ITransfer[];
  mount: IMountInfo | null;
}

/** A row of the panel: a Contents model with the state of its bytes. */
export interface IEntryModel extends Contents.IModel {
  dms: IStatus;
}

/** How much of a folder a listing shows. */
export interface IListing {
  shown: number;
  more: boolean;
  searched: number;
}

/** A folder of the panel. */
export interface IFolderModel extends IEntryModel {
  content: IEntryModel[];
  listing: IListing;
}
