import { attempted, withReplicaFallback } from 'kysely-replica-fallback';
import { recordReads } from 'kysely-replica-fallback/testing';
import { expect, test } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { REPLICA_ERROR, ROW, SCRIPTS, type ScriptedOutcome } from '../support/outcomes.ts';
import { recordingLogger } from '../support/recording-logger.ts';
import { AT_ONCE, scriptClients, scriptNthAttempt, throws } from '../support/scripted-clients.ts';

test('warns once, with the report, when the primary served a read', async () => {
  const logger = recordingLogger();
  const { reports, onOutcome } = recordReads();
  const { query, clients } = scriptClients(SCRIPTS.primary);
  const options = { ...clients, retryMs: AT_ONCE, logger, onOutcome, operation: 'order_by_id' };

  expect(await withReplicaFallback(query, options)).toBe(ROW);

  const message = 'The primary served a read that the replica missed.';
  expect(logger.lines).toEqual([{ level: 'warn', message, fields: reports[0] }]);
  expect(reports).toMatchObject([{ outcome: 'primary', operation: 'order_by_id', attempts: 3 }]);
});

test.for<ScriptedOutcome>(['replica', 'replica_retry', 'not_found'])(
  'logs nothing when the outcome is %s',
  async (outcome) => {
    const logger = recordingLogger();
    const { query, clients } = scriptClients(SCRIPTS[outcome]);

    await withReplicaFallback(query, { ...clients, retryMs: AT_ONCE, logger });

    expect(logger.lines).toEqual([]);
  },
);

test.for([
  { failedDuring: 'replica', n: 1 },
  { failedDuring: 'replica_retry', n: 2 },
  { failedDuring: 'primary', n: 3 },
])('logs one error when $failedDuring throws', async ({ failedDuring, n }) => {
  stopTheClock();
  const logger = recordingLogger();
  const { query, clients } = scriptClients(scriptNthAttempt(n, throws(REPLICA_ERROR)));

  await withReplicaFallback(query, { ...clients, retryMs: AT_ONCE, logger }).catch(() => {});

  expect(logger.lines).toMatchObject([
    {
      level: 'error',
      message: 'A read failed.',
      fields: {
        outcome: 'error',
        attempts: n,
        durationMs: 0,
        failedDuring,
        error: REPLICA_ERROR,
      },
    },
  ]);
});

test('logs one error when the row is nowhere and the primary throws to say so', async () => {
  const logger = recordingLogger();
  const absent = throws(REPLICA_ERROR);
  const { query, clients } = scriptClients({ replica: [absent, absent], primary: [absent] });
  const options = { ...clients, retryMs: AT_ONCE, logger, isMiss: attempted(() => true) };

  await withReplicaFallback(query, options).catch(() => {});

  expect(logger.lines).toMatchObject([
    { level: 'error', fields: { outcome: 'not_found', failedDuring: 'primary' } },
  ]);
});

test('calls the methods of the logger as methods', async () => {
  class Logger {
    readonly #levels: string[] = [];
    warn(): void {
      this.#levels.push('warn');
    }
    error(): void {
      this.#levels.push('error');
    }
    levels(): readonly string[] {
      return this.#levels;
    }
  }
  const logger = new Logger();

  for (const script of [SCRIPTS.primary, SCRIPTS.error]) {
    const { query, clients } = scriptClients(script);
    await withReplicaFallback(query, { ...clients, retryMs: AT_ONCE, logger }).catch(() => {});
  }

  expect(logger.levels()).toEqual(['warn', 'error']);
});
