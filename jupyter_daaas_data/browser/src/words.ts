/** States and sizes in words. */

import { formatFileSize } from '@jupyterlab/filebrowser';
import { TranslationBundle } from '@jupyterlab/translation';

import { CacheState, IStatus, ITransfer } from './model';

/** Bytes as the stock file browser writes them. */
export function size(bytes: number): string {
  return formatFileSize(bytes, 1, 1024);
}

/** The state as one word. */
export function stateWord(state: CacheState, trans: TranslationBundle): string {
  switch (state) {
    case 'remote':
      return trans.__('remote');
    case 'partial':
      return trans.__('partial');
    case 'cached':
      return trans.__('cached');
    case 'pinned':
      return trans.__('pinned');
    case 'dirty':
      return trans.__('dirty');
    case 'sending':
      return trans.__('sending');
    case 'stuck':
      return trans.__('stuck');
  }
}

/** The state as a sentence. */
export function stateSentence(
  status: IStatus,
  trans: TranslationBundle
): string {
  switch (status.state) {
    case 'remote':
      return trans.__('Remote: fetched when it is read.');
    case 'partial':
      return trans.__(
        'Partial: %1 % is on this machine (%2).',
        status.percent,
        size(status.cached_bytes)
      );
    case 'cached':
      return trans.__('Cached: all of it is on this machine.');
    case 'pinned':
      return status.percent < 100
        ? trans.__(
            'Pinned: kept on this machine; %1 % is here.',
            status.percent
          )
        : trans.__('Pinned: all of it is kept on this machine.');
    case 'dirty':
      return trans.__('Dirty: changed here, not yet sent.');
    case 'sending':
      return trans.__('Sending: changes are on their way.');
    case 'stuck':
      return trans.__('Stuck: %1 %2', status.reason, status.remedy).trim();
  }
}

/** How far a transfer is. */
export function progress(
  transfer: ITransfer,
  now_s: number,
  trans: TranslationBundle
): string {
  const total = size(transfer.total_bytes);
  switch (transfer.state) {
    case 'queued':
      return trans.__('waiting');
    case 'running': {
      const elapsed_s = Math.max(now_s - transfer.started_s, 0.5);
      return trans.__(
        '%1 of %2 · %3/s',
        size(transfer.done_bytes),
        total,
        size(transfer.done_bytes / elapsed_s)
      );
    }
    case 'done':
      return trans.__('done, %1', total);
    case 'cancelled':
      return trans.__('cancelled');
    case 'failed':
      return transfer.reason;
  }
}
