/** The panel's commands, its toolbar and its context menu. */

import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  CommandToolbarButton,
  copyIcon,
  folderIcon,
  LabIcon,
  MenuSvg,
  refreshIcon
} from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';

import { Action, DataApi } from './api';
import { evictIcon, fetchIcon, insertIcon, pinIcon, unpinIcon } from './icons';
import { CacheState } from './model';
import { DataPanel } from './panel';
import { PathUser, TOAST_MS } from './path_user';
import { DataStore } from './store';

/** Names of the commands. */
export const CommandIDs = {
  open: 'dms:open',
  prefetch: 'dms:prefetch',
  pin: 'dms:pin',
  unpin: 'dms:unpin',
  evict: 'dms:evict',
  copyPath: 'dms:copy-path',
  insertPath: 'dms:insert-path',
  refresh: 'dms:refresh',
  search: 'dms:search',
  goUp: 'dms:go-up',
  selectAll: 'dms:select-all',
  readOnly: 'dms:explain-read-only'
} as const;

/** Add the commands to the application, for the rows that are selected in the panel. */
export function addCommands(
  commands: CommandRegistry,
  panel: DataPanel,
  api: DataApi,
  store: DataStore,
  paths: PathUser,
  trans: TranslationBundle,
  palette: ICommandPalette | null
): void {
  const states = (): CacheState[] =>
    panel.selectedPaths().flatMap(path => store.status(path)?.state ?? []);
  const some = (): boolean => panel.selectedPaths().length > 0;

  const act = async (action: Action): Promise<void> => {
    for (const path of panel.selectedPaths()) {
      try {
        if (action === 'prefetch') {
          store.takeTransfers([await api.prefetch(path)]);
        } else {
          store.takeStatuses([await api.act(action, path)]);
        }
      } catch (error) {
        Notification.error(
          error instanceof Error ? error.message : String(error)
        );
      }
    }
    commands.notifyCommandChanged();
  };

  const add = (
    id: string,
    label: string,
    caption: string,
    icon: LabIcon | undefined,
    execute: () => unknown,
    isEnabled: () => boolean
  ): void => {
    commands.addCommand(id, {
      label,
      caption,
      icon,
      execute,
      isEnabled,
      describedBy: { args: { type: 'object', properties: {} } }
    });
    palette?.addItem({ command: id, category: trans.__('Experiment data') });
  };

  add(
    CommandIDs.open,
    trans.__('Open'),
    trans.__('Open the selected files and folders'),
    folderIcon,
    () => panel.openSelected(),
    some
  );
  add(
    CommandIDs.prefetch,
    trans.__('Fetch now'),
    trans.__('Fetch now: bring the selection to this machine'),
    fetchIcon,
    () => act('prefetch'),
    () => some() && !states().every(state => state === 'cached')
  );
  add(
    CommandIDs.pin,
    trans.__('Pin'),
    trans.__('Pin: keep the selection on this machine'),
    pinIcon,
    () => act('pin'),
    () => some() && !states().every(state => state === 'pinned')
  );
  add(
    CommandIDs.unpin,
    trans.__('Unpin'),
    trans.__('Unpin: let the selection go when space is needed'),
    unpinIcon,
    () => act('unpin'),
    () => states().some(state => state === 'pinned')
  );
  add(
    CommandIDs.evict,
    trans.__('Free space'),
    trans.__('Free space: give up the local copy of the selection'),
    evictIcon,
    () => act('evict'),
    () => some()
  );
  add(
    CommandIDs.copyPath,
    trans.__('Copy mounted path'),
    trans.__('Copy the path that code on this machine uses'),
    copyIcon,
    () => paths.copy(panel.selectedPaths()),
    some
  );
  add(
    CommandIDs.insertPath,
    trans.__('Insert path into notebook'),
    trans.__('Insert the path as code into the cell of the notebook'),
    insertIcon,
    () => paths.insert(panel.selectedPaths()),
    () => some() && paths.canInsert()
  );
  add(
    CommandIDs.refresh,
    trans.__('Refresh experiment data'),
    trans.__('List the folder again'),
    refreshIcon,
    () => panel.reload(),
    () => true
  );
  add(
    CommandIDs.search,
    trans.__('Find an experiment'),
    trans.__('Filter the folder, or go to an experiment by its RB number'),
    undefined,
    () => {
      panel.activate();
      panel.search.focus();
    },
    () => true
  );
  add(
    CommandIDs.goUp,
    trans.__('Go to the folder above'),
    trans.__('Go to the folder above'),
    undefined,
    () => panel.goUp(),
    () => true
  );
  add(
    CommandIDs.selectAll,
    trans.__('Select all'),
    trans.__('Select all rows'),
    undefined,
    () => panel.selectAll(),
    () => true
  );
  commands.addCommand(CommandIDs.readOnly, {
    label: trans.__('Why can this not be changed here?'),
    execute: () =>
      Notification.info(
        trans.__(
          'The data panel is for looking: change files in the file browser, a notebook or a terminal, where the volume allows it.'
        ),
        { autoClose: TOAST_MS }
      ),
    describedBy: { args: { type: 'object', properties: {} } }
  });
}

/** Fill the panel's toolbar and give it a context menu of its own. */
export function addControls(commands: CommandRegistry, panel: DataPanel): void {
  const buttons = [
    CommandIDs.prefetch,
    CommandIDs.pin,
    CommandIDs.evict,
    CommandIDs.copyPath,
    CommandIDs.insertPath,
    CommandIDs.refresh
  ];
  for (const id of buttons) {
    panel.toolbar.addItem(
      id,
      new CommandToolbarButton({ commands, id, label: '' })
    );
  }
  panel.selectionChanged.connect(() => commands.notifyCommandChanged());

  const menu = new MenuSvg({ commands });
  const items = [
    CommandIDs.open,
    null,
    CommandIDs.prefetch,
    CommandIDs.pin,
    CommandIDs.unpin,
    CommandIDs.evict,
    null,
    CommandIDs.copyPath,
    CommandIDs.insertPath,
    null,
    CommandIDs.refresh
  ];
  for (const command of items) {
    menu.addItem(command === null ? { type: 'separator' } : { command });
  }
  // The stock menu is full of changes that this drive refuses.
  panel.node.addEventListener('contextmenu', event => {
    const wantsBrowserMenu = event.shiftKey && event.button === 2;
    if (!wantsBrowserMenu && panel.isInListing(event.target)) {
      event.preventDefault();
      event.stopPropagation();
      menu.open(event.clientX, event.clientY);
    }
  });
}
