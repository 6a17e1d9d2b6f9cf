import { type CatchUp, InvalidOptionError, ReplicaBehindError } from 'kysely-replica-fallback';
import {
  type KyselyClient,
  walCatchUp,
  type WalCatchUpOptions,
} from 'kysely-replica-fallback/postgres';
import { CompiledQuery } from 'kysely';
import { describe, expect, test } from 'vitest';
import { ScriptedStandby, TIMELINE } from '../support/scripted-standby.ts';
import { walSource } from '../support/wal-source.ts';

const BEGIN = 'start transaction isolation level read committed read only';
const BEHIND = `${TIMELINE}-3000149`;
const REACHED = `${TIMELINE}-3000148`;

const query = (db: KyselyClient) => db.executeQuery(CompiledQuery.raw('select 1') as never);

/** Checks a standby, and then asks it. */
function runAt(
  { db }: ScriptedStandby,
  position: string,
  options?: WalCatchUpOptions,
  run: (db: KyselyClient) => Promise<unknown> = query,
) {
  const catchUp: CatchUp<KyselyClient> = walCatchUp(options);
  return catchUp.runAt(db, position, run);
}

/** How it ends when the standby throws this at a statement. */
async function runThrowing(statement: string, error: unknown): Promise<unknown> {
  const standby = new ScriptedStandby();
  standby.onStatement = (what) => {
    if (what === statement) throw error;
  };
  return runAt(standby, REACHED).catch((reason: unknown) => reason);
}

describe('the check of a replica', () => {
  test('shares a read-only transaction at READ COMMITTED with the query, which comes after it', async () => {
    const standby = new ScriptedStandby();

    expect(await runAt(standby, REACHED)).toMatchObject({ rows: [{ one: 1 }] });

    expect(standby.asked).toEqual([BEGIN, 'replayed', 'timeline', 'select 1', 'commit', 'release']);
  });

  test('shares a connection with the query, and no transaction, if `pin` says so', async () => {
    const standby = new ScriptedStandby();

    await runAt(standby, REACHED, { pin: 'connection' });

    expect(standby.asked).toEqual(['replayed', 'timeline', 'select 1', 'release']);
  });

  test('is left out when there is no position to check', async () => {
    const standby = new ScriptedStandby();

    await walSource().runAt(standby.db, undefined, query);

    expect(standby.asked).toEqual([BEGIN, 'select 1', 'commit', 'release']);
  });

  test.for<[string, string, (standby: ScriptedStandby) => void, 'behind' | 'unknown']>([
    ['has not replayed the position', BEHIND, () => {}, 'behind'],
    [
      'is on another timeline',
      REACHED,
      (standby) => {
        standby.timeline = 'ba9876543210';
      },
      'unknown',
    ],
    [
      'is no standby',
      REACHED,
      (standby) => {
        standby.isInRecovery = false;
      },
      'unknown',
    ],
  ])('does not let the query run on a server that %s', async ([, position, change, reach]) => {
    for (const pin of ['transaction', 'connection'] as const) {
      const standby = new ScriptedStandby();
      change(standby);

      const error: unknown = await runAt(standby, position, { pin }).catch((e: unknown) => e);

      expect(error).toBeInstanceOf(ReplicaBehindError);
      expect(error).toMatchObject({ name: 'ReplicaBehindError', reach });
      expect((error as Error).message).toContain(reach);
      expect(standby.asked).not.toContain('select 1');
      expect(standby.asked.at(-1)).toBe('release');
    }
  });

  test.for(['0A000', '42883', '42501'])(
    'takes a server that refuses it with %s for one that does not tell',
    async (code) => {
      const refusal = Object.assign(new Error('function does not exist'), { code });
      expect(await runThrowing('replayed', refusal)).toMatchObject({
        name: 'ReplicaBehindError',
        reach: 'unknown',
      });
    },
  );

  test.for([
    Object.assign(new Error('canceling statement'), { code: '57014' }),
    Object.assign(new Error('serialization'), { code: '25P42' }),
    Object.assign(new Error('no code'), { code: undefined }),
    new Error('Connection terminated'),
    'a string',
    null,
  ])('fails as the replica does with %o', async (error) => {
    expect(await runThrowing('replayed', error)).toBe(error);
  });
});

describe('a transaction', () => {
  test('that does not begin fails with the error of the server', async () => {
    const error = new Error('no connection left');
    expect(await runThrowing(BEGIN, error)).toBe(error);
  });

  test('that cannot be committed has given its answer all the same', async () => {
    const answer = await runThrowing('commit', new Error('Connection terminated'));
    expect(answer).toMatchObject({ rows: [{ one: 1 }] });
  });

  test('that cannot be rolled back fails with the error of the query', async () => {
    const standby = new ScriptedStandby();
    const error = new Error('The query failed.');
    standby.onStatement = (what) => {
      if (what === 'select 1') throw error;
      if (what === 'rollback') throw new Error('Connection terminated');
    };

    await expect(runAt(standby, REACHED)).rejects.toBe(error);
    expect(standby.asked).toContain('rollback');
  });
});

describe('in a pipeline', () => {
  const pipeline = { pin: 'connection', pipeline: true } as const;

  test('the query does not wait for the check', async () => {
    const { standby, answer } = slowStandby();

    const run = runAt(standby, REACHED, pipeline);
    await expect.poll(() => standby.asked).toEqual(['replayed', 'select 1']);
    answer();

    expect(await run).toMatchObject({ rows: [{ one: 1 }] });
    expect(standby.asked).toEqual(['replayed', 'select 1', 'timeline', 'release']);
  });

  test('the answer of a replica that is behind does not count', async () => {
    const { standby, answer } = slowStandby();

    const run = runAt(standby, BEHIND, pipeline);
    await expect.poll(() => standby.asked).toEqual(['replayed', 'select 1']);
    answer();

    await expect(run).rejects.toMatchObject({ name: 'ReplicaBehindError', reach: 'behind' });
  });

  test('the connection goes back when both have ended, although the check has failed', async () => {
    const standby = new ScriptedStandby();
    const answer = Promise.withResolvers<number>();
    const checked = Promise.withResolvers<void>();
    standby.onStatement = (what) => {
      if (what === 'timeline') checked.resolve();
    };

    const run = runAt(standby, BEHIND, pipeline, () => answer.promise);
    await checked.promise;
    await new Promise(setImmediate);
    expect(standby.asked).toEqual(['replayed', 'timeline']);
    answer.resolve(1);

    await expect(run).rejects.toBeInstanceOf(ReplicaBehindError);
    expect(standby.asked.at(-1)).toBe('release');
  });

  test('nothing is sent unless it is asked for', async () => {
    const { standby, answer } = slowStandby();

    const run = runAt(standby, REACHED, { pin: 'connection' });
    await expect.poll(() => standby.asked).toEqual(['replayed']);
    await new Promise(setImmediate);
    expect(standby.asked).toEqual(['replayed']);
    answer();

    await run;
  });
});

test.for<[object, string]>([
  [{ pin: 'session' }, "Expected `pin` to be 'transaction' or 'connection', got \"session\"."],
  [{ pin: null }, "Expected `pin` to be 'transaction' or 'connection', got null."],
  [{ asynchronousCommits: 1 }, 'Expected `asynchronousCommits` to be a boolean, got 1.'],
  [{ pipeline: 1 }, 'Expected `pipeline` to be a boolean, got 1.'],
  [null as never, 'Expected `options` to be an object, got null.'],
])('walCatchUp(%o) is refused', ([options, message]) => {
  expect(() => walCatchUp(options)).toThrow(InvalidOptionError);
  expect(() => walCatchUp(options)).toThrow(message);
});

/** A standby that answers the checks when it is told to. */
function slowStandby() {
  const standby = new ScriptedStandby();
  const { promise, resolve } = Promise.withResolvers<void>();
  standby.onStatement = (what) => (what === 'select 1' ? undefined : promise);
  return { standby, answer: resolve };
}
