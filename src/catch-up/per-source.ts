import { versionWide } from '../process-wide.ts';
import { perDatabase } from './per-database.ts';
import type { PositionSource } from './position-source.ts';

/** For sources that count as one: the same object. */
const identities = versionWide('identities of sources', () => new WeakMap<object, object>());

/**
 * Lets a source count as one with all others of this name, also of another copy of this package, or with another source. They have
 * to ask the same questions, and to write positions alike. Without it, a source counts as one with itself alone.
 */
export function countAs<Source extends object>(identity: string | object, source: Source): Source {
  const named =
    typeof identity === 'string' ? versionWide(identity, () => ({})) : identityOf(identity);
  identities.set(source, named);
  return source;
}

function identityOf(source: object): object {
  return identities.get(source) ?? source;
}

/** Keeps something for each source and database: another source may have asked something else, or writes positions its own way. */
export function perSource<Kept>(name: string, create: () => Kept) {
  const keptBySource = versionWide(
    name,
    () => new WeakMap<object, ReturnType<typeof perDatabase<Kept>>>(),
  );
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
