/** Mounted paths, put where they are of use: the clipboard, a notebook's cell. */

import { Clipboard, Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import { asCode, mountedPath } from './paths';
import { DataStore } from './store';

/** Milliseconds that a word to the user stays in sight. */
export const TOAST_MS = 6000;

const INSERT = 'notebook:replace-selection';

/** Copies and inserts the mounted paths of entries. */
export class PathUser {
  constructor(
    private readonly commands: CommandRegistry,
    private readonly store: DataStore,
    private readonly trans: TranslationBundle
  ) {}

  /** Copy the paths, one per line. */
  copy(trees: string[]): void {
    Clipboard.copyToSystem(this.mounted(trees).join('\n'));
  }

  /** Whether a notebook is in sight to insert into. */
  canInsert(): boolean {
    return this.commands.hasCommand(INSERT) && this.commands.isEnabled(INSERT);
  }

  /** Insert the paths as code into the notebook's cell, or copy where there is none. */
  async insert(trees: string[]): Promise<void> {
    if (this.canInsert()) {
      await this.commands.execute(INSERT, {
        text: asCode(this.mounted(trees))
      });
      return;
    }
    this.copy(trees);
    Notification.info(
      this.trans.__('No notebook is open, so the path is on the clipboard.'),
      { autoClose: TOAST_MS }
    );
  }

  private mounted(trees: string[]): string[] {
    const mountpoint = this.store.mount?.mountpoint ?? '';
    return trees.map(tree => mountedPath(mountpoint, tree));
  }
}
