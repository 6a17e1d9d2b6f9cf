import type { Kysely } from 'kysely';

/** The same client, on which something happens between its first answer and whoever asked. */
export function afterFirstAnswer<DB>(db: Kysely<DB>, happen: () => Promise<void>): Kysely<DB> {
  let happened: Promise<void> | undefined;
  return db.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      await (happened ??= happen());
      return result;
    },
  });
}
