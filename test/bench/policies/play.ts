import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Replica } from 'kysely-replica-fallback/testing';
import { connect } from '../connect.ts';
import { type Database, openPolicies, type Policy, type Urls } from './policies.ts';
import type { Profile } from './profiles.ts';
import { type Event, planTraffic, seeded } from './traffic.ts';
import { watchVisibility } from './visibility.ts';

/** One read by one policy. */
export interface Sample {
  readonly kind: Event['kind'];
  /** Milliseconds. */
  readonly tookMs: number;
  /** Milliseconds until the standby showed what the read is about, from when the read began. Not above 0 if it did. */
  readonly restMs: number;
  readonly isFalseNotFound: boolean;
  readonly isStale: boolean;
}

/** What came of one policy under one profile: its samples are of the same reads, in the same order, as the others'. */
export interface Played {
  readonly policy: Policy;
  readonly samples: readonly Sample[];
}

const SEED = 20_261_125;

/** Plays the same traffic through all policies at once, on a standby that lags as the profile says. */
export async function play(
  profile: Profile,
  standby: Replica,
  urls: Urls,
  seconds: number,
): Promise<Played[]> {
  await using cleanUp = new AsyncDisposableStack();
  const writer = connect<Database>(urls.primary);
  const watcher = connect<Database>(urls.replica);
  cleanUp.defer(() => watcher.destroy());
  cleanUp.defer(() => writer.destroy());
  const policies = openPolicies(urls);
  cleanUp.defer(async () => {
    await Promise.all(policies.map((policy) => policy.end()));
  });
  await Promise.all(policies.map(warmUp));
  const visibility = watchVisibility(watcher);

  const startedAt = performance.now();
  const ending = new AbortController();
  const share = () => Math.min(1, (performance.now() - startedAt) / 1000 / seconds);
  const lagging = profile.play(standby, ending.signal, { share, primary: writer });

  const readByAll = (wanted: Wanted): Promise<Sample[]> =>
    Promise.all(policies.map((policy) => read(policy, wanted)));
  const happen = async (event: Event): Promise<Sample[]> => {
    await sleep(startedAt + event.at - performance.now());
    const { kind, key, user } = event;
    if (!('reader' in event)) {
      return readByAll({
        kind,
        user,
        id: `${kind}-${key}`,
        version: kind === 'old' ? 1 : undefined,
      });
    }
    const id = kind === 'insert' ? `new-${profile.name}-${key}` : `old-${key}`;
    const { version } = await writer
      .insertInto('bench_orders')
      .values({ id, version: 1 })
      .onConflict((on) => on.column('id').doUpdateSet({ version: sql`bench_orders.version + 1` }))
      .returning('version')
      .executeTakeFirstOrThrow();
    const committedAt = performance.now();
    for (const policy of policies) policy.wrote(user);
    const visibleAt = visibility.watch(writer);
    await sleep(Math.max(0, committedAt + event.followMs - performance.now()));
    return readByAll({ kind, user: event.reader, id, version, visibleAt });
  };
  const samples = await Promise.all(planTraffic(seconds, seeded(SEED)).map(happen));

  ending.abort();
  await lagging;
  await standby.resumeReplay();
  await standby.setApplyDelay(0);
  await visibility.stop();
  return policies.map((policy, index) => ({
    policy,
    samples: samples.flatMap((ofAll) => ofAll[index] ?? []),
  }));
}

interface Wanted {
  readonly kind: Event['kind'];
  readonly user: number;
  readonly id: string;
  /** The version that was committed before the read. `undefined` when there is no such row. */
  readonly version: number | undefined;
  /** When the standby showed it. Default is from the start. */
  readonly visibleAt?: Promise<number>;
}

async function read(
  policy: Policy,
  { kind, user, id, version, visibleAt }: Wanted,
): Promise<Sample> {
  const startedAt = performance.now();
  const found = await policy.find(id, user);
  const tookMs = performance.now() - startedAt;
  return {
    kind,
    tookMs,
    restMs: visibleAt === undefined ? 0 : (await visibleAt) - startedAt,
    isFalseNotFound: found === undefined && version !== undefined,
    isStale: found !== undefined && version !== undefined && found.version < version,
  };
}

/** Opens the connections, and counts none of that. */
async function warmUp(policy: Policy): Promise<void> {
  await Promise.all(Array.from({ length: 8 }, () => policy.find('old-999', 0)));
  Object.assign(policy.counts, { primaryRows: 0, primaryOthers: 0, replica: 0 });
}
