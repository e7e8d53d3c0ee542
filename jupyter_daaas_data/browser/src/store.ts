/**
 * What the panel knows of the mount: the states of the rows that are shown, the
 * transfers, the mount itself. Filled by listings and by the server's events;
 * nothing polls.
 */

import { Event } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

import { DataApi } from './api';
import {
  IDataEvent,
  IFolderModel,
  IMountHere,
  IStatus,
  ITransfer
} from './model';

const SCHEMA = 'https://schema.jupyter.org/jupyter_daaas_data/dms/v1';

/** Milliseconds that a transfer stays in sight when it has ended well. */
const LINGER_MS = 4000;

/** The panel's state. */
export class DataStore {
  constructor(private readonly api: DataApi) {}

  /** Emitted with the statuses that changed. */
  get statusesChanged(): ISignal<this, IStatus[]> {
    return this._statusesChanged;
  }

  /** Emitted when transfers began, moved on or ended. */
  get transfersChanged(): ISignal<this, ITransfer[]> {
    return this._transfersChanged;
  }

  /** Emitted when the mount changed, came or went. */
  get mountChanged(): ISignal<this, void> {
    return this._mountChanged;
  }

  /** The mount, or null while it does not answer. */
  get mount(): IMountHere | null {
    return this._mount;
  }

  /** Why there is no mount; '' when there is one. */
  get reason(): string {
    return this._reason;
  }

  /** Transfers to show, oldest first. */
  get transfers(): ITransfer[] {
    return [...this._transfers.values()];
  }

  /** The newest status of a row that is shown. */
  status(path: string): IStatus | undefined {
    return this._statuses.get(path);
  }

  /** Ask for the mount and its transfers. */
  async load(): Promise<void> {
    try {
      this._mount = await this.api.mount();
      this._reason = '';
      this.takeTransfers(
        (await this.api.transfers()).filter(transfer => isActive(transfer))
      );
    } catch (error) {
      this._mount = null;
      this._reason = error instanceof Error ? error.message : String(error);
    }
    this._mountChanged.emit();
  }

  /** Know the rows of the folder that is shown now. */
  takeFolder(folder: IFolderModel): void {
    this._statuses = new Map(
      [folder, ...folder.content].map(row => [row.dms.path, row.dms])
    );
  }

  /** Know newer statuses. */
  takeStatuses(statuses: IStatus[]): void {
    const shown = statuses.filter(status => this._statuses.has(status.path));
    for (const status of shown) {
      this._statuses.set(status.path, status);
    }
    if (shown.length > 0) {
      this._statusesChanged.emit(shown);
    }
  }

  /** Know newer transfers. */
  takeTransfers(transfers: ITransfer[]): void {
    for (const transfer of transfers) {
      this._transfers.set(transfer.id, transfer);
      if (transfer.state === 'done' || transfer.state === 'cancelled') {
        setTimeout(() => void this.close(transfer.id), LINGER_MS);
      }
    }
    if (transfers.length > 0) {
      this._transfersChanged.emit(transfers);
    }
  }

  /** Stop a transfer, or forget one that has ended. */
  async close(id: string): Promise<void> {
    const transfer = this._transfers.get(id);
    if (transfer === undefined) {
      return;
    }
    if (isActive(transfer)) {
      try {
        this.takeTransfers([await this.api.cancel(id)]);
        return;
      } catch {
        // The mount does not know it any more: nothing is on its way.
      }
    }
    this._transfers.delete(id);
    this._transfersChanged.emit([]);
  }

  /** Listen to the server's events. */
  follow(stream: Event.Stream): void {
    stream.connect((_, emission) => {
      if (emission.schema_id === SCHEMA) {
        this.takeEvent(emission as unknown as IDataEvent);
      }
    });
  }

  private takeEvent(event: IDataEvent): void {
    if (!event.connected) {
      this._mount = null;
      this._reason = event.reason;
      this._transfers.clear();
      this._mountChanged.emit();
      this._transfersChanged.emit([]);
      return;
    }
    this.takeStatuses(event.statuses);
    this.takeTransfers(event.transfers);
    if (this._mount === null) {
      void this.load();
    } else if (event.mount !== null) {
      this._mount = { ...this._mount, ...event.mount };
      this._mountChanged.emit();
    }
  }

  private _mount: IMountHere | null = null;
  private _reason = '';
  private _statuses = new Map<string, IStatus>();
  private readonly _transfers = new Map<string, ITransfer>();
  private readonly _statusesChanged = new Signal<this, IStatus[]>(this);
  private readonly _transfersChanged = new Signal<this, ITransfer[]>(this);
  private readonly _mountChanged = new Signal<this, void>(this);
}

/** Whether a transfer is still on its way. */
export function isActive(transfer: ITransfer): boolean {
  return transfer.state === 'queued' || transfer.state === 'running';
}
