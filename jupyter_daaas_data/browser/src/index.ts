/** Experiment data in JupyterLab and Notebook 7: composes the panel. */

import {
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { DataApi } from './api';
import { addCommands, addControls } from './commands';
import { DataDrive } from './drive';
import { launcher } from './launcher';
import { Opener } from './opener';
import { DataPanel } from './panel';
import { PathUser } from './path_user';
import { DataStore } from './store';

const PLUGIN = '@jupyter-daaas/data:plugin';

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description:
    'Experiment data: where the bytes are, and how to get them here.',
  autoStart: true,
  requires: [IDocumentManager],
  optional: [
    ICommandPalette,
    ILayoutRestorer,
    ISettingRegistry,
    IStateDB,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    manager: IDocumentManager,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    registry: ISettingRegistry | null,
    state: IStateDB | null,
    translator_: ITranslator | null
  ): void => {
    const translator = translator_ ?? nullTranslator;
    const trans = translator.load('jupyter_daaas_data');
    const { commands, serviceManager } = app;
    const { serverSettings } = serviceManager;

    const drive = new DataDrive(serverSettings, trans);
    serviceManager.contents.addDrive(drive);
    const api = new DataApi(serverSettings);
    const store = new DataStore(api);
    store.follow(serviceManager.events.stream);

    const paths = new PathUser(commands, store, trans);
    const opener = new Opener(
      commands,
      app.docRegistry,
      drive,
      store,
      trans,
      (how, tree) =>
        how === 'copy' ? paths.copy([tree]) : void paths.insert([tree])
    );
    const panel = new DataPanel({
      api,
      drive,
      store,
      manager,
      translator,
      trans,
      state,
      open: path => void opener.open(path)
    });
    addCommands(commands, panel, api, store, paths, trans, palette);
    addControls(commands, panel);

    app.shell.add(panel, 'left', { rank: 101, type: 'Experiment data' });
    restorer?.add(panel, 'dms-data-panel');
    void store.load();

    void registry?.load(PLUGIN).then(settings => {
      const apply = (): void => {
        const { composite } = settings;
        panel.wantsSizes = composite.showFileSizeColumn === true;
        panel.showLastModifiedColumn =
          composite.showLastModifiedColumn === true;
      };
      settings.changed.connect(apply);
      apply();
    });
  }
};

export default [plugin, launcher];
