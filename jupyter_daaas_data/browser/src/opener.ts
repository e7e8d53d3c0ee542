/**
 * Opening a file of the panel.
 *
 * What the stock file browser reaches too is opened there, so that notebooks
 * have a kernel, home files can be saved and viewers such as jupyterlab-h5web
 * work. Else small text files are shown read-only. For all else the panel gives
 * the path, for code.
 */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { DocumentRegistry } from '@jupyterlab/docregistry';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';

import { DataDrive } from './drive';
import { baseName, browserPath, DRIVE, mountedPath, treePath } from './paths';
import { DataStore } from './store';

/** Opens files by their drive path. */
export class Opener {
  constructor(
    private readonly commands: CommandRegistry,
    private readonly registry: DocumentRegistry,
    private readonly drive: DataDrive,
    private readonly store: DataStore,
    private readonly trans: TranslationBundle,
    private readonly usePath: (how: 'copy' | 'insert', tree: string) => void
  ) {}

  /** Open a file, or say how to use it. */
  async open(path: string): Promise<void> {
    const tree = treePath(path);
    const here = this.store.mount;
    const reachable = here === null ? null : browserPath(here, tree);
    if (reachable !== null && this.hasViewer(tree)) {
      await this.commands.execute('docmanager:open', { path: reachable });
      return;
    }
    try {
      await this.drive.get(tree, { content: true });
    } catch (error) {
      await this.offerPath(tree, error instanceof Error ? error.message : '');
      return;
    }
    await this.commands.execute('docmanager:open', {
      path: reachable ?? `${DRIVE}:${tree.slice(1)}`,
      factory: 'Editor'
    });
  }

  /** Whether some viewer claims files of this name. */
  private hasViewer(path: string): boolean {
    return this.registry.getFileTypesForPath(path).length > 0;
  }

  private async offerPath(tree: string, why: string): Promise<void> {
    const body = document.createElement('div');
    body.className = 'dms-OpenDialog';
    const reason = document.createElement('p');
    reason.textContent = why;
    body.append(reason);
    const place = mountedPath(this.store.mount?.mountpoint ?? '', tree);
    if (!why.includes(place)) {
      const code = document.createElement('code');
      code.textContent = place;
      body.append(code);
    }
    const result = await showDialog({
      title: this.trans.__('Use "%1" in your code', baseName(tree)),
      body: new Widget({ node: body }),
      buttons: [
        Dialog.cancelButton({ label: this.trans.__('Close') }),
        Dialog.createButton({
          label: this.trans.__('Copy path'),
          actions: ['copy']
        }),
        Dialog.okButton({
          label: this.trans.__('Insert path'),
          actions: ['insert']
        })
      ]
    });
    const [how] = result.button.actions;
    if (how === 'copy' || how === 'insert') {
      this.usePath(how, tree);
    }
  }
}
