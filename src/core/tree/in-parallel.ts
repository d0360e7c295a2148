/** Runs `work` over all items with at most `inFlight` at a time; stops at the first failure and throws it once what runs has ended. */
export async function inParallel<T>(items: Iterable<T> | AsyncIterable<T>, inFlight: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let failure: { readonly error: unknown } | null = null;
  const worker = async (): Promise<void> => {
    try {
      for (let next = await rest.next(); !next.done && !failure; next = await rest.next()) await work(next.value);
    } catch (error) {
      failure ??= { error };
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  if (!failure) return;
  await rest.return?.();
  throw (failure as { readonly error: unknown }).error;
}
