/** Runs `work` over all items with at most `inFlight` at a time; stops at the first failure and throws it once what runs has ended. */
export async function inParallel<T>(items: Iterable<T>, inFlight: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]();
  let failure: { error: unknown } | null = null;
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); !next.done && !failure; next = rest.next()) {
      try {
        await work(next.value);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  if (failure) throw (failure as { error: unknown }).error;
}
