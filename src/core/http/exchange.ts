import type { Dispatcher, Pool } from 'undici';

/** What came back on one request. */
export interface Exchanged {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The body as it came. */
  readonly pieces: readonly Buffer[];
}

export interface ExchangeOptions {
  readonly request: Dispatcher.DispatchOptions;
  readonly signal?: AbortSignal;
  /** Hears status and headers before the body has come; what it throws ends the request. */
  begun(status: number, headers: Exchanged['headers']): void;
}

/**
 * One request to its end. The body stays in the pieces in which the socket gave it: put together they would all be copied, and most readers
 * need no more than to walk over them.
 * @throws an error of the transport; the signal's reason; what `begun` throws
 */
export function exchange(pool: Pool, { request, signal, begun }: ExchangeOptions): Promise<Exchanged> {
  return new Promise<Exchanged>((resolve, reject) => {
    let [status, headers]: [number, Exchanged['headers']] = [0, {}];
    let controller: Dispatcher.DispatchController | null = null;
    const pieces: Buffer[] = [];
    const stop = () => {
      // Before it has begun there is nothing to be stopped: it waits for a connection, and ends when it gets one.
      controller?.abort(signal?.reason as Error);
      reject(signal?.reason as Error);
    };
    const release = () => signal?.removeEventListener('abort', stop);
    signal?.addEventListener('abort', stop, { once: true });
    pool.dispatch(request, {
      onRequestStart: (started) => {
        controller = started;
        if (signal?.aborted) started.abort(signal.reason as Error);
      },
      onResponseStart: (started, code, told) => {
        // What an interim answer (1xx) says is not what was asked for.
        if (code < 200) return;
        [status, headers] = [code, told];
        try {
          begun(status, headers);
        } catch (error) {
          started.abort(error as Error);
        }
      },
      onResponseData: (_, piece) => void pieces.push(piece),
      onResponseEnd: () => {
        release();
        resolve({ status, headers, pieces });
      },
      onResponseError: (_, error) => {
        release();
        reject(error);
      },
    });
  });
}
