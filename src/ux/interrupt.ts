import { setMaxListeners } from 'node:events';

type StopSignal = 'SIGINT' | 'SIGTERM';

const exitCodes: Record<StopSignal, number> = { SIGINT: 130, SIGTERM: 143 };

/**
 * SIGINT and SIGTERM as an AbortSignal: the first one aborts `signal`, a second one ends the process at once. A process has one;
 * before anybody asks for it, signals do what they do by default.
 */
class Interrupt {
  #controller: AbortController | null = null;
  #received: StopSignal | null = null;

  /** The signal that came, if one did. */
  get received(): StopSignal | null {
    return this.#received;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      // Everything a command has under way listens to it: that there is much of it is no leak.
      setMaxListeners(0, this.#controller.signal);
      process.on('SIGINT', this.#onSignal);
      process.on('SIGTERM', this.#onSignal);
    }
    return this.#controller.signal;
  }

  #onSignal = (name: NodeJS.Signals): void => {
    if (this.#received) process.exit(exitCodes[name as StopSignal]);
    this.#received = name as StopSignal;
    this.#controller?.abort();
  };

  /** 130 or 143 after a signal, else null. */
  get exitCode(): number | null {
    return this.#received && exitCodes[this.#received];
  }
}

export const interrupt = new Interrupt();
