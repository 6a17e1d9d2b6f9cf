import { perDatabase } from './per-database.ts';
import type { PositionSource } from './position-source.ts';

/** For sources that count as one: the same object. */
const identities = new WeakMap<object, object>();

/**
 * Lets a source count as one with all others of this identity. They have to ask the same questions, and to write positions alike.
 * Without it, a source counts as one with itself alone.
 */
export function countAs<Source extends object>(identity: object, source: Source): Source {
  identities.set(source, identity);
  return source;
}

export function identityOf(source: object): object {
  return identities.get(source) ?? source;
}

/** Keeps something for each source and database: another source may have asked something else, or writes positions its own way. */
export function perSource<Kept>(create: () => Kept) {
  const keptBySource = new WeakMap<object, ReturnType<typeof perDatabase<Kept>>>();
  return <Client>(source: PositionSource<Client>, client: Client): Kept => {
    const identity = identityOf(source);
    let keptByDatabase = keptBySource.get(identity);
    if (keptByDatabase === undefined) {
      keptByDatabase = perDatabase(create);
      keptBySource.set(identity, keptByDatabase);
    }
    return keptByDatabase(source, client);
  };
}
