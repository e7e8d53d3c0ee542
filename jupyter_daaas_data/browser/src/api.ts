/** Requests to the server extension. Each failure is an Error with one sentence. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { IMountHere, IStatus, ITransfer } from './model';

/** Where the server extension answers, below the server's base URL. */
export const PREFIX = 'dms/api/v1';

/** What may be done with the local copy of an entry. */
export type Action = 'prefetch' | 'pin' | 'unpin' | 'evict';

/** The server extension's routes, apart from the Contents API that the drive uses. */
export class DataApi {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** The mount of this machine. */
  mount(): Promise<IMountHere> {
    return this.request<IMountHere>('mount');
  }

  /** All transfers that the mount remembers. */
  async transfers(): Promise<ITransfer[]> {
    const answer = await this.request<{ transfers: ITransfer[] }>('transfers');
    return answer.transfers;
  }

  /** Folders of the experiment with this number. */
  async experiments(number: string): Promise<string[]> {
    const query = URLExt.objectToQueryString({ number });
    const answer = await this.request<{ paths: string[] }>(
      `experiments${query}`
    );
    return answer.paths;
  }

  /** Begin to fetch the entry at a tree path. */
  prefetch(path: string): Promise<ITransfer> {
    return this.request<ITransfer>('prefetch', { path });
  }

  /** Pin, unpin or evict the entry at a tree path; its status afterwards. */
  act(action: Exclude<Action, 'prefetch'>, path: string): Promise<IStatus> {
    return this.request<IStatus>(action, { path });
  }

  /** Stop a transfer; what has come stays. */
  cancel(id: string): Promise<ITransfer> {
    return this.request<ITransfer>(`transfers/${id}`, undefined, 'DELETE');
  }

  private async request<T>(
    route: string,
    body?: { path: string },
    method = body === undefined ? 'GET' : 'POST'
  ): Promise<T> {
    const url = URLExt.join(this.settings.baseUrl, PREFIX, route);
    const init = { method, body: body && JSON.stringify(body) };
    const response = await ServerConnection.makeRequest(
      url,
      init,
      this.settings
    );
    if (!response.ok) {
      throw await ServerConnection.ResponseError.create(response);
    }
    return (await response.json()) as T;
  }
}
