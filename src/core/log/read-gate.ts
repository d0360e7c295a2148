import { FilerError } from '../errors.js';

/**
 * Lets so many pages be read at one time: each may hold megabytes until it is sent, and the store reads one after the other anyway.
 * Peers come first. Whoever waits for news waits elsewhere.
 */
export class ReadGate {
  #reading = 0;
  readonly #peers: (() => void)[] = [];
  readonly #others: (() => void)[] = [];

  constructor(private readonly limits: { readonly readsMax: number; readonly readsWaitingMax: number }) {}

  /** Whether an answer of so many bytes to a client could go out; there is no use in reading it otherwise. */
  hasRoom: (bytes: number) => boolean = () => true;

  /**
   * Runs `read`, which gives at most `bytesMax` bytes, when it is its turn.
   * @throws FilerError OVERLOADED if too many wait already, or the answer could not go out; what `read` throws
   */
  async run<T>(forPeer: boolean, bytesMax: number, read: () => Promise<T>): Promise<T> {
    if (this.#reading < this.limits.readsMax) this.#reading += 1;
    else await this.#turn(forPeer);
    try {
      if (!forPeer && !this.hasRoom(bytesMax))
        throw new FilerError('OVERLOADED', 'readers that do not take their answers fill the memory for them here; try again in a second, or ask for less');
      return await read();
    } finally {
      const next = this.#peers.shift() ?? this.#others.shift();
      if (next) next();
      else this.#reading -= 1;
    }
  }

  #turn(forPeer: boolean): Promise<void> {
    const waiting = this.#others.length;
    if (!forPeer && waiting >= this.limits.readsWaitingMax)
      throw new FilerError('OVERLOADED', `${waiting} pages wait to be read here already; try again in a second, or read another filer`);
    return new Promise<void>((resolve) => (forPeer ? this.#peers : this.#others).push(resolve));
  }
}
