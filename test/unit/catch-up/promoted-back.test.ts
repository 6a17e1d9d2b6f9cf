import { ReplicaBehindError } from 'kysely-replica-fallback';
import { createCatchUp } from 'kysely-replica-fallback/catch-up';
import { expect, test } from 'vitest';
import { compareGtidPositions } from '../../../src/mysql/gtid-position.ts';
import { seeRead } from '../../support/see-read.ts';

/** A server of MariaDB that is at a position. */
interface Server {
  readonly at: string;
}

const catchUp = createCatchUp<Server>({
  position: async ({ at }) => at,
  replayed: async ({ at }) => at,
  compare: compareGtidPositions,
  async runAt(replica, position = '', query) {
    const reach = compareGtidPositions(replica.at, position);
    if (reach !== 'reached') throw new ReplicaBehindError(reach);
    return query(replica);
  },
});

test.for([
  ['that was promoted back and has written nothing since', '0-1-5'],
  ['that was promoted back and has written', '0-1-6'],
  ['that took over from the next one and has written nothing yet', '0-2-7_3'],
] as const)('a primary of MariaDB %s has no position of a stray', async ([, at]) => {
  const primary: Server = { at };
  const options = { primary, replica: { at: '0-2-8' }, catchUp, retryMs: 20, after: '0-1-5_2' };

  const { report } = await seeRead(async (server: Server) => server, options);

  expect(report.outcome).toBe('primary');
});

test('a primary of MariaDB has a position from before it wrote to another domain', async () => {
  const primary: Server = { at: '0-1-6.7-1-1' };
  const options = { primary, replica: { at: '0-1-6.7-1-1' }, catchUp, retryMs: 20, after: '0-1-5' };

  const { report } = await seeRead(async (server: Server) => server, options);

  expect(report.outcome).toMatch(/^replica/);
});
