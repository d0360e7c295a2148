import type { TimeSource } from '../time.js';
import type { Store } from './store.js';

/** Tells how long each operation of a store took, failed ones too, seconds. */
export type StoreObserver = (operation: string, seconds: number) => void;

/** The same store; every operation is timed, under its own name, from the call to the answer: waiting for its turn is part of it. */
export function measuredStore(store: Store, time: Pick<TimeSource, 'monotonic'>, observe: StoreObserver): Store {
  const timed = new Map<PropertyKey, unknown>();
  const wrap =
    (name: PropertyKey, method: (...args: unknown[]) => unknown) =>
    async (...args: unknown[]) => {
      const started = time.monotonic();
      try {
        return await method.apply(store, args);
      } finally {
        observe(String(name), (time.monotonic() - started) / 1000);
      }
    };
  return new Proxy(store, {
    // With the store as `this`: its private fields are not the proxy's.
    get: (target, name) => {
      const known = timed.get(name);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const method = wrap(name, value as (...args: unknown[]) => unknown);
      timed.set(name, method);
      return method;
    },
  });
}
