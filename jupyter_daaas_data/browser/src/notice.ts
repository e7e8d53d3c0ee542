/** What the listing cannot say itself: about the folder, the selection, and why there are no rows. */

import { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { lockIcon, stateIcons } from './icons';
import { IFolderModel, IStatus } from './model';
import { size } from './words';

/**
 * A line above the listing: read-only or not, what is shown, what is selected.
 * It is always there: a row must not move away under a double click.
 */
export class FolderLine extends Widget {
  constructor(private readonly trans: TranslationBundle) {
    super();
    this.addClass('dms-FolderLine');
    this.node.setAttribute('role', 'status');
  }

  /** Tell about a folder; `filter` is what its names were asked to have. */
  tellFolder(folder: IFolderModel, filter: string): void {
    const { shown, more, searched } = folder.listing;
    this._readOnly = !folder.dms.writable;
    if (filter !== '') {
      this._shown = more
        ? this.trans.__('First %1 that match "%2"', shown, filter)
        : this.trans.__('%1 of %2 match "%3"', shown, searched, filter);
    } else {
      this._shown = more
        ? this.trans.__('First %1 entries; filter to find others', shown)
        : '';
    }
    this.draw();
  }

  /** Tell about the selected rows. */
  tellSelection(selected: IStatus[]): void {
    const total = selected.reduce((sum, status) => sum + status.size, 0);
    this._selected = '';
    if (selected.length > 0 && total > 0) {
      this._selected = this.trans.__(
        '%1 selected · %2',
        selected.length,
        size(total)
      );
    }
    this.draw();
  }

  private draw(): void {
    const words = this._selected === '' ? this._shown : this._selected;
    const parts: HTMLElement[] = [];
    if (words !== '') {
      const text = document.createElement('span');
      text.className = 'dms-FolderLine-text';
      text.textContent = text.title = words;
      parts.push(text);
    }
    const access = document.createElement('span');
    access.className = 'dms-FolderLine-access';
    if (this._readOnly) {
      access.append(
        lockIcon.element({ tag: 'span' }),
        this.trans.__('Read-only')
      );
    } else {
      access.append(this.trans.__('Read and write'));
    }
    this.node.replaceChildren(access, ...parts);
  }

  private _readOnly = false;
  private _shown = '';
  private _selected = '';
}

/** A sentence in the place of the rows. */
export class EmptyNotice extends Widget {
  constructor(
    private readonly trans: TranslationBundle,
    private readonly retry: () => void
  ) {
    super();
    this.addClass('dms-Empty');
    this.node.setAttribute('role', 'alert');
    this.hide();
  }

  /** The mount cannot be asked; `reason` says why and what to do. */
  tellAway(reason: string): void {
    const button = document.createElement('button');
    button.className = 'jp-mod-styled jp-mod-reject';
    button.textContent = this.trans.__('Try again');
    button.addEventListener('click', this.retry);
    this.fill(
      this.trans.__('Experiment data is not available'),
      reason,
      stateIcons.stuck.element({ tag: 'div', className: 'dms-Empty-icon' }),
      button
    );
  }

  /** There is nothing to show. */
  tellNothing(filter: string): void {
    this.fill(
      filter === ''
        ? this.trans.__('This folder is empty')
        : this.trans.__('Nothing here matches "%1"', filter),
      ''
    );
  }

  private fill(
    title: string,
    text: string,
    icon?: HTMLElement,
    button?: HTMLElement
  ): void {
    const heading = document.createElement('div');
    heading.className = 'dms-Empty-title';
    heading.textContent = title;
    const body = document.createElement('div');
    body.textContent = text;
    this.node.replaceChildren(
      ...[icon, heading, body, button].filter(node => node !== undefined)
    );
    this.show();
  }
}
