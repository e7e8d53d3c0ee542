/** The strip at the panel's bottom: what is on its way, and how full the cache is. */

import { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';

import { stateIcons } from './icons';
import { ITransfer } from './model';
import { baseName } from './paths';
import { DataStore, isActive } from './store';
import { progress, size } from './words';

/** Shows the store's transfers. */
export class TransferStrip extends Widget {
  constructor(
    private readonly store: DataStore,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('dms-Transfers');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Transfers'));
    this._list = document.createElement('ul');
    this._summary = document.createElement('div');
    this._summary.className = 'dms-Transfers-summary';
    this._summary.setAttribute('role', 'status');
    this.node.append(this._list, this._summary);
    store.transfersChanged.connect(() => this.draw());
    store.mountChanged.connect(() => this.draw());
    this.draw();
  }

  private draw(): void {
    const transfers = this.store.transfers;
    const rows = new Map(
      [...this._list.children].map(row => [
        (row as HTMLElement).dataset.id ?? '',
        row as HTMLElement
      ])
    );
    for (const transfer of transfers) {
      const row = rows.get(transfer.id) ?? this.newRow(transfer);
      rows.delete(transfer.id);
      this.drawRow(row, transfer);
    }
    for (const gone of rows.values()) {
      gone.remove();
    }
    this.drawSummary(transfers.filter(isActive).length);
  }

  private newRow(transfer: ITransfer): HTMLElement {
    const row = document.createElement('li');
    row.dataset.id = transfer.id;
    row.title = transfer.path;
    row.innerHTML =
      '<span class="dms-Transfer-name"></span><span class="dms-Transfer-text"></span>' +
      '<div class="dms-Transfer-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100"><div></div></div>';
    const close = document.createElement('button');
    close.className = 'dms-Transfer-close jp-Button jp-mod-minimal';
    close.append(closeIcon.element({ tag: 'span' }));
    close.addEventListener('click', () => void this.store.close(transfer.id));
    row.append(close);
    this._list.append(row);
    return row;
  }

  private drawRow(row: HTMLElement, transfer: ITransfer): void {
    const percent =
      transfer.state === 'done'
        ? 100
        : Math.floor(
            (100 * transfer.done_bytes) / Math.max(transfer.total_bytes, 1)
          );
    const name = baseName(transfer.path);
    const text = progress(transfer, Date.now() / 1000, this.trans);
    row.dataset.state = transfer.state;
    part(row, 'close').title = isActive(transfer)
      ? this.trans.__('Stop fetching "%1"', name)
      : this.trans.__('Dismiss');
    part(row, 'name').textContent = name;
    part(row, 'text').textContent = text;
    const bar = part(row, 'bar');
    bar.setAttribute('aria-label', name);
    bar.setAttribute('aria-valuenow', `${percent}`);
    bar.setAttribute('aria-valuetext', text);
    (bar.firstElementChild as HTMLElement).style.width = `${percent}%`;
  }

  private drawSummary(active: number): void {
    const mount = this.store.mount;
    this.setHidden(mount === null);
    if (mount === null) {
      return;
    }
    const texts = [
      this.trans.__(
        'Cache %1 of %2',
        size(mount.cache_bytes),
        size(mount.cache_limit_bytes)
      )
    ];
    if (active > 0) {
      texts.push(this.trans._n('%1 transfer', '%1 transfers', active));
    }
    const line = document.createElement('span');
    line.textContent = texts.join(' · ');
    this._summary.replaceChildren(line);
    if (!mount.reachable) {
      const offline = document.createElement('span');
      offline.className = 'dms-Transfers-offline';
      offline.title = mount.reason;
      offline.append(
        stateIcons.stuck.element({ tag: 'span' }),
        this.trans.__(
          'Data service not reachable; what is cached stays readable.'
        )
      );
      this._summary.prepend(offline);
    }
  }

  private readonly _list: HTMLUListElement;
  private readonly _summary: HTMLElement;
}

function part(row: HTMLElement, name: string): HTMLElement {
  return row.querySelector(`.dms-Transfer-${name}`) as HTMLElement;
}
