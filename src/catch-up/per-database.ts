import type { PositionSource } from './position-source.ts';

/** Keeps something for each database, the same for all clients that lead to it. */
export function perDatabase<Kept>(create: () => Kept) {
  const keptByDatabase = new WeakMap<WeakKey, Kept>();
  return <Client>(source: Pick<PositionSource<Client>, 'databaseOf'>, client: Client): Kept => {
    // By default the client itself, which is an object or a function.
    const database: WeakKey = source.databaseOf?.(client) ?? Object(client);
    let kept = keptByDatabase.get(database);
    if (kept === undefined) {
      kept = create();
      keptByDatabase.set(database, kept);
    }
    return kept;
  };
}
