type Listener = (event: { readonly type: string }) => void;

/*
 * AbortController and AbortSignal as far as the core uses them, without Node's event targets: a history makes tens of thousands, which took
 * a sixth of its time. Listeners are called at once and in order of coming, as Node does.
 */

class PlainSignal {
  aborted = false;
  reason: unknown = undefined;
  readonly #listeners = new Set<Listener>();

  addEventListener(_type: 'abort', listener: Listener): void {
    if (!this.aborted) this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: Listener): void {
    this.#listeners.delete(listener);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** node:events asks emitters so, and there is no limit here. */
  setMaxListeners(): void {}

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason ?? new DOMException('This operation was aborted', 'AbortError');
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener({ type: 'abort' });
  }
}

class PlainController {
  readonly signal = new PlainSignal();

  abort(reason?: unknown): void {
    this.signal.abort(reason);
  }
}

/** Puts them in the place of Node's, in this process. */
export function installPlainAbort(): void {
  Object.assign(globalThis, { AbortController: PlainController, AbortSignal: PlainSignal });
}
