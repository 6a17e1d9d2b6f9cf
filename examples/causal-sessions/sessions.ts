import { AsyncLocalStorage } from 'node:async_hooks';
import type { Kysely, Transaction } from 'kysely';
import {
  createReplicaFallback,
  type ReadOverrides,
  type ReplicaFallbackOptions,
  type ReplicaQuery,
} from 'kysely-replica-fallback';
import {
  type CausalSession,
  createCausalSession,
  replicaUnavailable,
  walCatchUp,
} from 'kysely-replica-fallback/postgres';

export type Sessions<DB> = ReturnType<typeof createSessions<DB>>;

/** Carries a position between services, there and back. */
export const POSITION_HEADER = 'X-Position';

/** Stands for a position that the primary did not tell: whoever goes on from it asks the primary. */
const NOW = 'now';

/** The database, for functions that know of no session: they read and write in that of the request they run for. */
export function createSessions<DB>(options: ReplicaFallbackOptions<Kysely<DB>, unknown>) {
  const readAlone = createReplicaFallback({
    catchUp: walCatchUp(),
    isUnavailable: replicaUnavailable,
    ...options,
  });
  const storage = new AsyncLocalStorage<CausalSession<Kysely<DB>>>();

  const read = <T>(
    query: ReplicaQuery<Kysely<DB>, T>,
    overrides?: ReadOverrides<Kysely<DB>, T>,
  ): Promise<T> => (storage.getStore() ?? { read: readAlone }).read(query, overrides);

  async function write<T>(query: (transaction: Transaction<DB>) => Promise<T>): Promise<T> {
    try {
      return await options.primary.transaction().execute(query);
    } finally {
      storage.getStore()?.wrote(); // also after an error: perhaps only the answer of the commit was lost
    }
  }

  /** Handles a request that came with a position. Resolves with the position to answer with. */
  async function handle(
    position: string | undefined,
    next: () => Promise<void>,
  ): Promise<string | undefined> {
    const session = createCausalSession(readAlone, { position, invalidPosition: 'ignore' });
    if (position === NOW) session.wrote();
    await storage.run(session, next);
    return positionOf(session);
  }

  /** Calls another service: it sees what this one has seen, and this one sees no less from then on. */
  async function call(url: string, init?: RequestInit): Promise<Response> {
    const session = storage.getStore();
    const request = new Request(url, init);
    const position = await positionOf(session);
    if (position !== undefined) request.headers.set(POSITION_HEADER, position);
    let answered: string | undefined;
    try {
      const response = await fetch(request);
      answered = response.headers.get(POSITION_HEADER) ?? undefined;
      return response;
    } finally {
      // Without a position in the answer, or without an answer, nobody knows what was written.
      session?.wrote(answered === NOW ? undefined : answered);
    }
  }

  return { read, write, handle, call };
}

/** Never rejects: what was done is done, and its answer must not fail because the primary is gone by now. */
async function positionOf(
  session: Pick<CausalSession<unknown>, 'position'> | undefined,
): Promise<string | undefined> {
  return session?.position().catch(() => NOW);
}
