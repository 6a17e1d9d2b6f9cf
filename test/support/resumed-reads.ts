import {
  type ReplicaFallback,
  type ReplicaFallbackOptions,
  type ReplicaQuery,
} from 'kysely-replica-fallback';
import { createCausalSession } from 'kysely-replica-fallback/postgres';

/** Reads an order, with `overrides` as a read takes them. */
type Ask<Client, T> = (overrides?: Partial<ReplicaFallbackOptions<Client, T>>) => Promise<T>;

/** A way to read that has to see something. */
export interface ResumedRead<Client, T> {
  readonly what: string;
  /**
   * Called before something happens to the servers.
   *
   * @param position - of the primary by then
   * @returns how to read afterwards, with the same function or with one that knows nothing of what was before
   */
  readonly begin: (
    read: ReplicaFallback<Client>,
    query: ReplicaQuery<Client, T>,
    position: string,
  ) => Promise<(read: ReplicaFallback<Client>) => Ask<Client, T>>;
}

/** All ways to take a position from before into what comes afterwards, and those that ask for everything. */
export function resumedReads<Client, T>(): readonly ResumedRead<Client, T>[] {
  return [
    {
      what: 'a read after an old position',
      begin: async (_read, query, after) => (read) => (overrides) =>
        read(query, { after, ...overrides }),
    },
    {
      what: "a read after 'now'",
      begin: async (_read, query) => (read) => (overrides) =>
        read(query, { after: 'now', ...overrides }),
    },
    {
      what: 'a session with an old cookie',
      begin: async (_read, query, position) => (read) => (overrides) =>
        createCausalSession(read, { position }).read(query, overrides),
    },
    {
      what: 'a session with a new cookie each time',
      begin: async (_read, query, position) => (read) => async (overrides) => {
        const session = createCausalSession(read, { position });
        const found = await session.read(query, overrides);
        position = (await session.position()) ?? position;
        return found;
      },
    },
    {
      what: 'a session that has written',
      begin: async (_read, query) => (read) => (overrides) => {
        const session = createCausalSession(read);
        session.wrote();
        return session.read(query, overrides);
      },
    },
    {
      what: 'a session that was told of an old write',
      begin: async (_read, query, position) => (read) => (overrides) => {
        const session = createCausalSession(read);
        session.wrote(position);
        return session.read(query, overrides);
      },
    },
    {
      what: 'a session that has read before',
      async begin(before, query) {
        const session = createCausalSession(before);
        await session.read(query);
        const position = await session.position();
        return (read) => {
          const same = read === before ? session : createCausalSession(read, { position });
          return (overrides) => same.read(query, overrides);
        };
      },
    },
  ];
}
