import { diag } from '@opentelemetry/api';
import {
  type ReadReport,
  type Recovery,
  type RetryPolicy,
  withReplicaFallback,
} from 'kysely-replica-fallback';
import { expect, onTestFinished, test } from 'vitest';
import { stopTheClock } from '../support/fake-clock.ts';
import { REPLICA_ERROR, ROW, SCRIPTS, type ScriptedOutcome } from '../support/outcomes.ts';
import { recordDiagnostics } from '../support/recording-diagnostics.ts';
import { AT_ONCE, gives, misses, scriptClients, throws } from '../support/scripted-clients.ts';

function settlingPolicy() {
  const settled: ReadReport[] = [];
  const settle = (report: ReadReport) => void settled.push(report);
  return { policy: { ...AT_ONCE, settle }, settled };
}

test.for<{ outcome: ScriptedOutcome; attempts: number }>([
  { outcome: 'replica_retry', attempts: 2 },
  { outcome: 'primary', attempts: 3 },
  { outcome: 'not_found', attempts: 3 },
  { outcome: 'error', attempts: 2 },
])('tells the policy once that a recovery ended as $outcome', async ({ outcome, attempts }) => {
  stopTheClock();
  const { policy, settled } = settlingPolicy();
  const { query, clients } = scriptClients(SCRIPTS[outcome]);
  const options = { ...clients, operation: 'order_by_id', retryMs: policy };

  await withReplicaFallback(query, options).catch(() => {});

  expect(settled).toMatchObject([{ operation: 'order_by_id', outcome, attempts, durationMs: 0 }]);
});

test.for([
  { how: 'a hit', script: SCRIPTS.replica },
  { how: 'an error', script: { replica: [throws(REPLICA_ERROR)] } },
])(
  'tells the policy nothing of $how on the replica, which needs no recovery',
  async ({ script }) => {
    const { policy, settled } = settlingPolicy();
    const { query, clients } = scriptClients(script);

    await withReplicaFallback(query, { ...clients, retryMs: policy }).catch(() => {});

    expect(settled).toEqual([]);
  },
);

test('tells the policy of a recovery from a failure, for which it was asked no delays', async () => {
  const { policy, settled } = settlingPolicy();
  const { query, clients } = scriptClients({
    replica: [throws(REPLICA_ERROR)],
    primary: [gives(ROW)],
  });
  await withReplicaFallback(query, {
    ...clients,
    isUnavailable: () => true,
    retryMs: {
      ...policy,
      delays: () => expect.unreachable('The policy was asked for delays.'),
    },
  });

  expect(settled).toMatchObject([{ outcome: 'primary', recovery: { cause: 'failure' } }]);
});

test('gives `settle` the very object that it gave `delays`, also when recoveries overlap', async () => {
  const begun: Recovery[] = [];
  const ended: Recovery[] = [];
  const retryMs: RetryPolicy = {
    delays(recovery) {
      begun.push(recovery);
      return [begun.length === 1 ? 20 : 0];
    },
    settle: (_report, recovery) => void ended.push(recovery),
  };
  const read = (operation: string) => {
    const { query, clients } = scriptClients(SCRIPTS.replica_retry);
    return withReplicaFallback(query, { ...clients, operation, retryMs });
  };

  await Promise.all([read('slow'), read('fast')]);

  expect(begun).toEqual([
    { operation: 'slow', cause: 'miss' },
    { operation: 'fast', cause: 'miss' },
  ]);
  expect(ended).toHaveLength(2);
  expect(ended[0]).toBe(begun[1]);
  expect(ended[1]).toBe(begun[0]);
});

test('tells the policy of an error that its own delays threw', async () => {
  const error = new Error('The policy is broken.');
  const { policy, settled } = settlingPolicy();
  const delays = () => {
    throw error;
  };
  const { query, clients } = scriptClients({ replica: [misses] });
  const options = { ...clients, retryMs: { ...policy, delays } };

  await expect(withReplicaFallback(query, options)).rejects.toBe(error);
  expect(settled).toMatchObject([{ outcome: 'error', attempts: 1, error }]);
});

test('calls `settle` as a method, so that a policy may be an instance of a class', async () => {
  class Learning {
    #settled = 0;
    delays(): number[] {
      return Array<number>(this.#settled + 1).fill(0);
    }
    settle(): void {
      this.#settled++;
    }
  }
  const retryMs = new Learning();
  const { query, clients } = scriptClients(SCRIPTS.replica_retry);

  await withReplicaFallback(query, { ...clients, retryMs });

  expect(retryMs.delays()).toEqual([0, 0]);
});

test('does no harm to a read when `settle` throws, and tells the diagnostics', async () => {
  const errors = recordDiagnostics();
  onTestFinished(() => diag.disable());
  const error = new Error('The policy is broken.');
  const settle = () => {
    throw error;
  };
  const { query, clients } = scriptClients(SCRIPTS.primary);
  const options = { ...clients, retryMs: { ...AT_ONCE, settle } };

  expect(await withReplicaFallback(query, options)).toBe(ROW);
  expect(errors).toEqual([[expect.any(String), error]]);
});
