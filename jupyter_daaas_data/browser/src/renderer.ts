/** Rows of the stock file browser, with a badge for the cache state and a lock. */

import { DocumentRegistry } from '@jupyterlab/docregistry';
import { DirListing } from '@jupyterlab/filebrowser';
import { Contents } from '@jupyterlab/services';
import { ITranslator, TranslationBundle } from '@jupyterlab/translation';

import { lockIcon, stateIcons } from './icons';
import { IEntryModel, IStatus } from './model';
import { baseName, mountedPath } from './paths';
import { DataStore } from './store';
import { size, stateSentence, stateWord } from './words';

/** Draws rows, and redraws the state of those that are there. */
export class DataRenderer extends DirListing.Renderer {
  constructor(
    private readonly store: DataStore,
    private readonly trans: TranslationBundle
  ) {
    super();
  }

  override updateItemNode(
    node: HTMLElement,
    model: Contents.IModel,
    fileType?: DocumentRegistry.IFileType,
    translator?: ITranslator,
    hiddenColumns?: Set<DirListing.ToggleableColumn>,
    selected?: boolean,
    ...rest: TailOf<DirListing.Renderer['updateItemNode']>
  ): void {
    super.updateItemNode(
      node,
      model,
      fileType,
      translator,
      hiddenColumns,
      selected,
      ...rest
    );
    const { dms } = model as IEntryModel;
    if (dms !== undefined) {
      node.dataset.dmsPath = dms.path;
      node.dataset.dmsFolder = `${model.type === 'directory'}`;
      this.paint(node, this.store.status(dms.path) ?? dms);
    }
  }

  /** Show a newer status in the row that it is about. */
  repaint(content: HTMLElement, statuses: IStatus[]): void {
    const byPath = new Map(statuses.map(status => [status.path, status]));
    for (const node of content.querySelectorAll<HTMLElement>(
      'li[data-dms-path]'
    )) {
      const status = byPath.get(node.dataset.dmsPath ?? '');
      if (status !== undefined) {
        this.paint(node, status);
      }
    }
  }

  private paint(node: HTMLElement, status: IStatus): void {
    const name = node.querySelector<HTMLElement>('.jp-DirListing-itemName');
    if (name === null) {
      return;
    }
    const folder = node.dataset.dmsFolder === 'true';
    this.paintLock(name, folder && !status.writable);
    this.paintBadge(name, status, folder && status.state === 'remote');
    node.title = this.hover(status, folder);
  }

  private paintLock(name: HTMLElement, locked: boolean): void {
    const lock = name.querySelector('.dms-Lock');
    if (locked && lock === null) {
      name.append(
        lockIcon.element({ className: 'dms-Lock', tag: 'span', title: '' })
      );
    } else if (!locked) {
      lock?.remove();
    }
  }

  private paintBadge(
    name: HTMLElement,
    status: IStatus,
    hidden: boolean
  ): void {
    let badge = name.querySelector<HTMLElement>('.dms-Badge');
    if (hidden) {
      badge?.remove();
      return;
    }
    if (badge === null) {
      badge = document.createElement('span');
      badge.className = 'dms-Badge';
      badge.setAttribute('role', 'img');
      name.append(badge);
    }
    badge.setAttribute('aria-label', stateSentence(status, this.trans));
    badge.style.setProperty('--dms-percent', `${status.percent}%`);
    if (badge.dataset.state !== status.state) {
      badge.dataset.state = status.state;
      const word = document.createElement('span');
      word.className = 'dms-Badge-word';
      word.textContent = stateWord(status.state, this.trans);
      badge.replaceChildren(
        stateIcons[status.state].element({
          className: 'dms-Badge-icon',
          tag: 'span'
        }),
        word
      );
    }
  }

  private hover(status: IStatus, folder: boolean): string {
    const mountpoint = this.store.mount?.mountpoint ?? '';
    const name = baseName(status.path);
    const volume = this.store.mount?.volumes.find(
      each => status.path === `/${each.name}`
    );
    const lines = [volume?.title || name];
    if (!folder) {
      lines.push(size(status.size));
    }
    if (!folder || status.state !== 'remote') {
      lines.push(stateSentence(status, this.trans));
    }
    if (!status.writable) {
      lines.push(this.trans.__('Read-only'));
    }
    lines.push(mountedPath(mountpoint, status.path));
    return lines.join('\n');
  }
}

/** The parameters of `updateItemNode` that are only passed on. */
type TailOf<F> = F extends (
  node: HTMLElement,
  model: Contents.IModel,
  fileType: DocumentRegistry.IFileType | undefined,
  translator: ITranslator | undefined,
  hiddenColumns: Set<DirListing.ToggleableColumn> | undefined,
  selected: boolean | undefined,
  ...rest: infer R
) => void
  ? R
  : never;
