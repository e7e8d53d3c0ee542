/**
 * The mount's tree as a drive of the stock file browser, for looking.
 *
 * All it adds to the stock Drive: the server-side filter of the folder that is
 * shown, the news of a listing, and a refusal of each change as a sentence.
 */

import { URLExt } from '@jupyterlab/coreutils';
import { Contents, Drive, ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { ISignal, Signal } from '@lumino/signaling';

import { PREFIX } from './api';
import { IFolderModel } from './model';
import { DRIVE, mountedPath, treePath } from './paths';

/** The panel's drive. */
export class DataDrive extends Drive {
  constructor(
    settings: ServerConnection.ISettings,
    private readonly trans: TranslationBundle
  ) {
    super({
      name: DRIVE,
      apiEndpoint: `${PREFIX}/contents`,
      serverSettings: settings
    });
  }

  /** Where the tree is mounted, to name it in refusals. */
  mountpoint = '/data';

  /** Emitted with each folder that was listed. */
  get listed(): ISignal<this, IFolderModel> {
    return this._listed;
  }

  /** What names in the folder at `path` must have in them; '' for all. */
  filter: { path: string; text: string } = { path: '/', text: '' };

  /** A folder with the states of its entries, or a file. */
  override async get(
    localPath: string,
    options?: Contents.IFetchOptions
  ): Promise<Contents.IModel> {
    const filtered =
      this.filter.text !== '' && treePath(localPath) === this.filter.path;
    const model = filtered
      ? await this.matching(localPath, this.filter.text)
      : await super.get(localPath, options);
    if (model.type === 'directory' && model.content !== null) {
      this._listed.emit(model as IFolderModel);
    }
    return model;
  }

  override getDownloadUrl(localPath: string): Promise<string> {
    return this.refuse(localPath);
  }

  override newUntitled(
    options?: Contents.ICreateOptions
  ): Promise<Contents.IModel> {
    return this.refuse(options?.path ?? '');
  }

  override save(localPath: string): Promise<Contents.IModel> {
    return this.refuse(localPath);
  }

  override rename(oldLocalPath: string): Promise<Contents.IModel> {
    return this.refuse(oldLocalPath);
  }

  override copy(fromFile: string): Promise<Contents.IModel> {
    return this.refuse(fromFile);
  }

  override delete(localPath: string): Promise<void> {
    return this.refuse(localPath);
  }

  override createCheckpoint(
    localPath: string
  ): Promise<Contents.ICheckpointModel> {
    return this.refuse(localPath);
  }

  private async matching(
    localPath: string,
    text: string
  ): Promise<Contents.IModel> {
    const url = URLExt.join(
      this.serverSettings.baseUrl,
      `${PREFIX}/contents`,
      URLExt.encodeParts(localPath)
    );
    const query = URLExt.objectToQueryString({ filter: text });
    const response = await ServerConnection.makeRequest(
      url + query,
      {},
      this.serverSettings
    );
    if (!response.ok) {
      throw await ServerConnection.ResponseError.create(response);
    }
    return (await response.json()) as Contents.IModel;
  }

  private refuse(localPath: string): Promise<never> {
    const place = mountedPath(this.mountpoint, treePath(localPath));
    return Promise.reject(
      new Error(
        this.trans.__(
          'The data panel is for looking. In a terminal or notebook this is "%1".',
          place
        )
      )
    );
  }

  private readonly _listed = new Signal<this, IFolderModel>(this);
}
