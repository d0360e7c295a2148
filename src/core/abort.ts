import { setMaxListeners } from 'node:events';

/**
 * A signal that aborts when any of `signals` does, until `release` is called. AbortSignal.any is not used for what happens once a
 * poll: a source that lives as long as the process would gather one reference each time.
 */
export function anySignal(...signals: readonly AbortSignal[]): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const listeners = signals.map((source) => {
    // Every held poll listens to the same source; their number has a limit elsewhere.
    setMaxListeners(0, source);
    const abort = () => controller.abort(source.reason);
    if (source.aborted) abort();
    else source.addEventListener('abort', abort, { once: true });
    return () => source.removeEventListener('abort', abort);
  });
  return {
    signal: controller.signal,
    release: () => {
      for (const remove of listeners) remove();
    },
  };
}
