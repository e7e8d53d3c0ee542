/** The search box: a filter of the folder as one types, an experiment's number with Enter. */

import { TranslationBundle } from '@jupyterlab/translation';
import { searchIcon } from '@jupyterlab/ui-components';
import { ISignal, Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

/** Milliseconds without a key before the filter is applied. */
const PAUSE_MS = 250;

/** An input with the news of what is typed in it. */
export class SearchBox extends Widget {
  constructor(trans: TranslationBundle) {
    super();
    this.addClass('dms-Search');
    this._input = document.createElement('input');
    this._input.type = 'search';
    this._input.className = 'dms-Search-input';
    this._input.placeholder = trans.__('Filter, or RB number');
    this._input.setAttribute(
      'aria-label',
      trans.__('Filter this folder, or go to an experiment by its number')
    );
    this._input.spellcheck = false;
    this.node.append(
      searchIcon.element({ tag: 'span', className: 'dms-Search-icon' }),
      this._input
    );
    this._input.addEventListener('input', () => {
      clearTimeout(this._timer);
      this._timer = window.setTimeout(
        () => this._typed.emit(this.text),
        PAUSE_MS
      );
    });
    this._input.addEventListener('keydown', event => {
      if (event.key === 'Enter') {
        clearTimeout(this._timer);
        this._entered.emit(this.text);
      }
    });
  }

  /** Emitted when the text has changed and rested for a moment. */
  get typed(): ISignal<this, string> {
    return this._typed;
  }

  /** Emitted when Enter is pressed. */
  get entered(): ISignal<this, string> {
    return this._entered;
  }

  /** The text without blanks around it. */
  get text(): string {
    return this._input.value.trim();
  }

  /** Empty the box without telling anybody. */
  clear(): void {
    clearTimeout(this._timer);
    this._input.value = '';
  }

  /** Put the cursor into the box. */
  focus(): void {
    this._input.focus();
    this._input.select();
  }

  override dispose(): void {
    clearTimeout(this._timer);
    super.dispose();
  }

  private readonly _input: HTMLInputElement;
  private _timer = 0;
  private readonly _typed = new Signal<this, string>(this);
  private readonly _entered = new Signal<this, string>(this);
}
