/**
 * Opens the launcher as soon as the layout is there.
 *
 * JupyterLab opens it after its router has run, which waits until the
 * workspace is saved: most of a second in which a new machine shows an empty
 * page. JupyterLab's own turn then finds the main area taken and adds nothing.
 */

import {
  ILabShell,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';

const LAUNCH = 'launcher:create';

export const launcher: JupyterFrontEndPlugin<void> = {
  id: '@jupyter-daaas/data:launcher',
  description: 'Opens the launcher as soon as the layout is there.',
  autoStart: true,
  optional: [ILabShell],
  activate: (app: JupyterFrontEnd, shell: ILabShell | null): void => {
    const opensFile = PageConfig.getOption('treePath') !== '';
    if (shell === null || opensFile) {
      return;
    }
    void app.restored.then(() => {
      if (shell.isEmpty('main') && app.commands.hasCommand(LAUNCH)) {
        void app.commands.execute(LAUNCH);
      }
    });
  }
};
