/** The side panel: the stock file browser with a search box, notices and transfers. */

import { Notification } from '@jupyterlab/apputils';
import { FileBrowser, FilterFileBrowserModel } from '@jupyterlab/filebrowser';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { DataApi } from './api';
import { DataDrive } from './drive';
import { dataIcon } from './icons';
import { IFolderModel } from './model';
import { EmptyNotice, FolderLine } from './notice';
import { TOAST_MS } from './path_user';
import { DRIVE, isExperimentNumber, treePath } from './paths';
import { DataRenderer } from './renderer';
import { SearchBox } from './search';
import { DataStore, isActive } from './store';
import { TransferStrip } from './transfers';

/** Milliseconds after which a folder that is in sight is listed again, for new files. */
const REFRESH_MS = 60_000;

/** Width from which on a row has room for a size beside name and badge. */
const WIDE_PX = 330;

/** What the panel is made of. */
export interface IDataPanelOptions {
  api: DataApi;
  drive: DataDrive;
  store: DataStore;
  manager: IDocumentManager;
  translator: ITranslator;
  trans: TranslationBundle;
  state: IStateDB | null;
  open: (path: string) => void;
}

/** The panel "Experiment data". */
export class DataPanel extends FileBrowser {
  constructor(options: IDataPanelOptions) {
    const { api, drive, store, trans, translator } = options;
    const renderer = new DataRenderer(store, trans);
    super({
      id: 'dms-data-panel',
      model: new FilterFileBrowserModel({
        manager: options.manager,
        driveName: DRIVE,
        refreshInterval: REFRESH_MS,
        allowFileUploads: false,
        translator,
        state: options.state ?? undefined
      }),
      renderer,
      translator,
      state: options.state ?? undefined,
      handleOpenFile: options.open
    });
    this.panelTrans = trans;
    this.api = api;
    this.drive = drive;
    this.store = store;
    this._open = options.open;
    this.addClass('dms-DataPanel');
    this.allowFileUploads = false;
    this.title.icon = dataIcon;
    this.title.caption = trans.__('Experiment data');
    this.toolbar.node.setAttribute('aria-label', trans.__('Experiment data'));

    this.search = new SearchBox(trans);
    this._line = new FolderLine(trans);
    this._empty = new EmptyNotice(trans, () => void this.reload());
    this.mainPanel.insertWidget(0, this.search);
    this.mainPanel.insertWidget(2, this._line);
    this.mainPanel.addWidget(this._empty);
    this.mainPanel.addWidget(new TransferStrip(store, trans));

    this.search.typed.connect((_, text) => void this.setFilter(text));
    this.search.entered.connect((_, text) => void this.enter(text));
    this.model.pathChanged.connect(() => this.search.clear());
    drive.listed.connect((_, folder) => this.onListed(folder));
    this.model.connectionFailure.connect((_, error) => {
      this.showAway(error.message);
    });
    store.statusesChanged.connect((_, statuses) => {
      renderer.repaint(this.listing.contentNode, statuses);
    });
    store.transfersChanged.connect((_, transfers) => {
      if (transfers.some(transfer => !isActive(transfer))) {
        void this.model.refresh();
      }
    });
    store.mountChanged.connect(() => this.onMountChanged());
    this.selectionChanged.connect(() => this.tellSelection());
    this.model.refreshed.connect(() => this.tellSelection());
    store.statusesChanged.connect(() => this.tellSelection());
    this.showFileCheckboxes = false;
  }

  /** The search box. */
  readonly search: SearchBox;

  /** Whether the size has a column of its own where there is room for one. */
  set wantsSizes(value: boolean) {
    this._wantsSizes = value;
    this.showFileSizeColumn = value && this._isWide;
  }

  /** Tree paths of the selected rows. */
  selectedPaths(): string[] {
    return [...this.selectedItems()].map(item => treePath(item.path));
  }

  /** Open the selected rows. */
  openSelected(): void {
    for (const item of this.selectedItems()) {
      if (item.type === 'directory') {
        void this.goTo(treePath(item.path));
      } else {
        this._open(item.path);
      }
    }
  }

  /** Whether an event's target is a row, the room below the rows, or the header. */
  isInListing(target: EventTarget | null): boolean {
    return target instanceof Node && this.listing.node.contains(target);
  }

  /** Ask for the mount and for the folder again. */
  async reload(): Promise<void> {
    await this.store.load();
    await this.model.refresh();
  }

  /** Go to a folder. */
  async goTo(tree: string): Promise<void> {
    await this.model.cd(`/${tree.slice(1)}`);
    this.listing.activate();
  }

  protected override onResize(msg: Widget.ResizeMessage): void {
    super.onResize(msg);
    const width = msg.width < 0 ? this.node.offsetWidth : msg.width;
    if (width > 0 && this._isWide !== width >= WIDE_PX) {
      this._isWide = !this._isWide;
      this.showFileSizeColumn = this._wantsSizes && this._isWide;
    }
  }

  private tellSelection(): void {
    this._line.tellSelection(
      this.selectedPaths().flatMap(path => this.store.status(path) ?? [])
    );
  }

  private async setFilter(text: string): Promise<void> {
    this.drive.filter = { path: treePath(this.model.path), text };
    await this.model.refresh();
  }

  private async enter(text: string): Promise<void> {
    if (!isExperimentNumber(text)) {
      await this.setFilter(text);
      return;
    }
    try {
      const [path] = await this.api.experiments(text);
      if (path === undefined) {
        Notification.warning(
          this.panelTrans.__(
            'There is no experiment "%1" among those that you may see.',
            text
          ),
          { autoClose: TOAST_MS }
        );
        return;
      }
      await this.goTo(path);
    } catch (error) {
      Notification.error(
        error instanceof Error ? error.message : String(error)
      );
    }
  }

  private onListed(folder: IFolderModel): void {
    this.store.takeFolder(folder);
    const { path, text } = this.drive.filter;
    const filter = path === folder.dms.path ? text : '';
    this._line.tellFolder(folder, filter);
    this.removeClass('dms-mod-away');
    if (folder.content.length === 0) {
      this._empty.tellNothing(filter);
    } else {
      this._empty.hide();
    }
  }

  private showAway(reason: string): void {
    this.addClass('dms-mod-away');
    this._empty.tellAway(reason);
  }

  private onMountChanged(): void {
    const { mount, reason } = this.store;
    if (mount === null) {
      this.showAway(reason);
      return;
    }
    this.drive.mountpoint = mount.mountpoint;
    if (this.hasClass('dms-mod-away')) {
      void this.model.refresh();
    }
  }

  private readonly api: DataApi;
  private readonly drive: DataDrive;
  private readonly store: DataStore;
  private readonly panelTrans: TranslationBundle;
  private readonly _open: (path: string) => void;
  private _isWide = false;
  private _wantsSizes = true;
  private readonly _line: FolderLine;
  private readonly _empty: EmptyNotice;
}
