import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SCENES } from '../../../examples/snapshots-service/lab/scenes.ts';
import { kindOf, readReplayControls, startLagLab } from '../../support/lag-lab.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../../support/replicated-database.ts';

describe('a scene of the lag lab', () => {
  let database: ReplicatedDatabase<SnapshotTables>;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables);
  });
  afterAll(() => database?.end());

  const readStandby = () => readReplayControls(database.replica.db);

  test.for(SCENES)('"$title" shows what it claims, and puts everything back', async (scene) => {
    const { lab, log } = await startLagLab(database.cluster, { pace: 0.35 });
    await lab.change({ lagMs: 7, paused: true, catchUp: false, retryMinMs: 3, pollsPerSecond: 2 });
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
    await expect.poll(() => lab.state().playing?.says, { timeout: 20_000 }).toBe(lastSays);
    await expect.poll(() => lab.state().playing, { timeout: 20_000 }).toBe(null);

    const outcomes = new Set(
      visit
        .news()
        .polls.filter(({ at }) => at > begin)
        .map(kindOf),
    );
    expect([...outcomes]).toEqual(expect.arrayContaining([...scene.shows]));
    expect(scene.never.filter((outcome) => outcomes.has(outcome))).toEqual([]);
    expect({ settings: lab.state().settings, standby: await readStandby() }).toEqual(before);
    expect(lab.state().played).toEqual({ title: scene.title, end: 'finished' });
    expect(log).toEqual([]);
  });

  test('asks the primary for no row that is nowhere, unless it has switched catch-up off', async () => {
    const { lab } = await startLagLab(database.cluster);
    const { news } = lab.visit();
    lab.play(SCENES.find(({ name }) => name === 'bogus-ids')!);
    const sources = { caught_up: new Set<string>(), blind: new Set<string>() };
    const watch = () => {
      for (const { outcome, catchUpEnd, attempts } of news().polls) {
        if (outcome !== 'not_found') continue;
        const last = attempts.at(-1)!.source;
        if (catchUpEnd === 'caught_up') sources.caught_up.add(last);
        if (catchUpEnd === null) sources.blind.add(last);
      }
      return lab.state().playing;
    };
    await expect.poll(watch, { timeout: 20_000 }).toBe(null);
    expect(sources).toEqual({
      caught_up: new Set(['replica_retry']),
      blind: new Set(['primary']),
    });
  });

  test('that has stopped the standby starts it again when it is ended early', async () => {
    const { lab } = await startLagLab(database.cluster);
    await lab.change({ lagMs: 3 });
    lab.play(SCENES.find(({ name }) => name === 'standby-restart')!);
    const { news } = lab.visit();
    await expect.poll(() => news().lag.at(-1)?.lagMs, { timeout: 20_000 }).toBe(null);
    await lab.stopScene();
    expect(lab.state()).toMatchObject({ playing: null, played: { end: 'stopped' } });
    expect(await readStandby()).toEqual({ delay: '3ms', pause: 'not paused' });
  });
});
