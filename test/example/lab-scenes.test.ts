import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LaneName } from '../../examples/snapshots-service/lab/lab-poll.ts';
import { LANES } from '../../examples/snapshots-service/lab/lanes.ts';
import { SCENES } from '../../examples/snapshots-service/lab/scenes.ts';
import { CALM } from '../../examples/snapshots-service/lab/settings.ts';
import { kindOf, readAll, readReplayControls, startLagLab } from '../support/example/lag-lab.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';

describe('a scene of the lag lab', () => {
  let database: ReplicatedDatabase<SnapshotTables>;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables, startReplicationCluster);
  });
  afterAll(() => database?.end());

  const readStandby = () => readReplayControls(database.replica.db);

  test.for(SCENES)('"$title" shows what it claims, and puts everything back', async (scene) => {
    const { lab, log } = await startLagLab(database.cluster, { pace: 0.35 });
    await lab.change({ lagMs: 7, paused: true, retryMinMs: 3, pollsPerSecond: 2 });
    const before = { settings: lab.state().settings, standby: await readStandby() };
    expect(before.standby).toEqual({ delay: '7ms', pause: 'paused' });

    const visit = lab.visit();
    lab.play(scene);
    expect(lab.state().playing).toMatchObject({ name: scene.name });
    // What came of the settings before the scene, and comes of them after it, is not the scene's.
    await expect.poll(() => lab.state().settings).not.toEqual(before.settings);
    const begin = Date.now();
    const { steps } = scene;
    const lastSays = steps.at(-1)?.says;
    await expect.poll(() => lab.state().playing?.says).toBe(lastSays);
    await expect.poll(() => lab.state().playing).toBe(null);

    const polls = readAll(visit.news).filter(({ at }) => at > begin);
    for (const { name } of LANES) {
      const kinds = new Set(polls.filter(({ lane }) => lane === name).map(kindOf));
      const { [name]: shows = [] } = scene.shows;
      const { [name]: never = [] } = scene.never;
      expect([name, ...kinds]).toEqual(expect.arrayContaining([...shows]));
      expect([name, never.filter((kind) => kinds.has(kind))]).toEqual([name, []]);
    }
    expect({ settings: lab.state().settings, standby: await readStandby() }).toEqual(before);
    expect(lab.state().played).toMatchObject({ title: scene.title, end: 'finished' });
    expect(log).toEqual([]);
  });

  test('counts its polls, all lanes alike, and marks its steps', async () => {
    const { lab } = await startLagLab(database.cluster, { pace: 0.6 });
    const { news } = lab.visit();
    const scene = SCENES.find(({ name }) => name === 'bogus-ids')!;
    lab.play(scene);
    await expect.poll(() => lab.state().playing).toBe(null);
    expect(news().marks).toEqual(
      scene.steps.map(({ says }) => ({
        at: expect.any(Number),
        text: `${scene.title}: ${says}`,
      })),
    );
    const tally = lab.state().played!.tally;
    expect(tally.primary.polls).toBeGreaterThan(10);
    expect(tally.primary.onPrimary).toBe(tally.primary.polls);
    expect(tally.replica.onPrimary).toBe(0);
    for (const { polls } of Object.values(tally)) {
      // Polls that are under way when it ends are not counted.
      expect(Math.abs(polls - tally.primary.polls)).toBeLessThanOrEqual(2 * CALM.runners);
    }
  });

  test('asks the primary for no row that is nowhere with catch-up, and for each one without', async () => {
    const { lab } = await startLagLab(database.cluster);
    const { news } = lab.visit();
    lab.play(SCENES.find(({ name }) => name === 'bogus-ids')!);
    const sources: Partial<Record<LaneName, Set<string>>> = {};
    const watch = () => {
      for (const { lane, outcome, catchUpEnd, attempts } of news().polls) {
        if (outcome !== 'not_found' || (lane === 'catch-up' && catchUpEnd !== 'caught_up'))
          continue;
        (sources[lane] ??= new Set()).add(attempts.at(-1)!.source);
      }
      return lab.state().playing;
    };
    await expect.poll(watch).toBe(null);
    expect(sources).toMatchObject({
      replica: new Set(['replica']),
      primary: new Set(['primary']),
      blind: new Set(['primary']),
      'catch-up': new Set(['replica_retry']),
    });
  });

  test('that has stopped the standby starts it again when it is ended early', async () => {
    const { lab } = await startLagLab(database.cluster);
    await lab.change({ lagMs: 3 });
    lab.play(SCENES.find(({ name }) => name === 'standby-restart')!);
    const { news } = lab.visit();
    await expect.poll(() => news().samples.at(-1)?.lagMs).toBe(null);
    await lab.stopScene();
    expect(lab.state()).toMatchObject({ playing: null, played: { end: 'stopped' } });
    expect(await readStandby()).toEqual({ delay: '3ms', pause: 'not paused' });
  });
});
