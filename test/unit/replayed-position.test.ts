import { beforeEach, describe, expect, test, vi } from 'vitest';
import { readReplayed, whenReplayed } from '../../src/postgres/replayed-position.ts';
import { stopTheClock } from '../support/fake-clock.ts';
import { ScriptedStandby, TIMELINE } from '../support/scripted-standby.ts';

beforeEach(stopTheClock);

/** What was asked of a standby since this was last called. */
function recorder(standby: ScriptedStandby) {
  let seen = 0;
  return () => {
    const asked = standby.asked.slice(seen).filter((what) => what !== 'release');
    seen = standby.asked.length;
    return asked;
  };
}

describe('what a standby has replayed', () => {
  test('is its timeline, which it is asked for once a second, and its position', async () => {
    const standby = new ScriptedStandby();
    const asked = recorder(standby);

    expect(await readReplayed(standby.db)).toBe(`${TIMELINE}-3000148`);
    expect(asked()).toEqual(['replayed', 'timeline']);

    standby.lsn = '3000150';
    vi.advanceTimersByTime(999);
    expect(await readReplayed(standby.db)).toBe(`${TIMELINE}-3000150`);
    expect(asked()).toEqual(['replayed']);

    vi.advanceTimersByTime(1);
    standby.timeline = 'ba9876543210';
    expect(await readReplayed(standby.db)).toBe('ba9876543210-3000150');
    expect(asked()).toEqual(['replayed', 'timeline']);
  });

  test('stays on a timeline that it was on, also when it tells of an older one only, because its upstream is gone', async () => {
    const standby = new ScriptedStandby();
    Object.assign(standby, { timeline: 'ba9876543210', timelineNumber: 11 });
    await readReplayed(standby.db);
    Object.assign(standby, { timeline: TIMELINE, timelineNumber: 9 });
    vi.advanceTimersByTime(1_000);
    expect(await readReplayed(standby.db)).toBe('ba9876543210-3000148');

    standby.server = 'started-anew';
    expect(await readReplayed(standby.db)).toBe(`${TIMELINE}-3000148`);
  });

  test('is what it had replayed at first, although it has more when it tells its timeline', async () => {
    const standby = new ScriptedStandby();
    standby.onStatement = (what) => {
      if (what === 'timeline') standby.lsn = '3000199';
    };

    expect(await readReplayed(standby.db)).toBe(`${TIMELINE}-3000148`);
  });

  test('is what another one has at the same address, if that is the one which tells its timeline', async () => {
    const standby = new ScriptedStandby();
    const first = standby.server;
    standby.onStatement = (what) => {
      if (what !== 'timeline') return;
      Object.assign(standby, { lsn: '2000000', server: 'another', timeline: 'ba9876543210' });
    };

    expect(await readReplayed(standby.db)).toBe('ba9876543210-2000000');

    // It says nothing of the one that was asked first.
    const asked = recorder(standby);
    asked();
    Object.assign(standby, { server: first, timeline: TIMELINE, onStatement: () => {} });
    expect(await readReplayed(standby.db)).toBe(`${TIMELINE}-2000000`);
    expect(asked()).toEqual(['replayed', 'timeline']);
  });

  test('is nothing of a server that is no standby, or none any more', async () => {
    const standby = new ScriptedStandby();
    standby.onStatement = (what) => {
      if (what === 'timeline') standby.isInRecovery = false;
    };

    expect(await readReplayed(standby.db)).toBeUndefined();
    expect(standby.asked).toContain('timeline');
    const asked = recorder(standby);
    asked();
    expect(await readReplayed(standby.db)).toBeUndefined();
    expect(asked()).toEqual(['replayed']);
  });

  test('is remembered of a hundred servers, and of none of them when one more comes', async () => {
    const standby = new ScriptedStandby();
    const asked = recorder(standby);
    const isKnown = async (server: string) => {
      standby.server = server;
      await readReplayed(standby.db);
      return !asked().includes('timeline');
    };
    await isKnown('probe');
    let others = 0;
    do await isKnown(`other-${others++}`);
    while (await isKnown('probe'));

    // Now the last one and the probe are known, and 98 more may come.
    for (let i = 0; i < 98; i++) expect(await isKnown(`more-${i}`)).toBe(false);
    expect(await isKnown('more-0')).toBe(true);
    expect(await isKnown('probe')).toBe(true);
    expect(await isKnown('one-more')).toBe(false);
    expect(await isKnown('probe')).toBe(false);
  });
});

describe('a standby is asked to wait', () => {
  const position = `${TIMELINE}-12000000a`;

  test.for(['140000', '189999'])('never at version %s', async (version) => {
    const standby = await standbyOf(version);
    expect(whenReplayed(standby.db, position, 50)).toBeUndefined();
  });

  test('never before it has told its version', () => {
    expect(whenReplayed(new ScriptedStandby().db, position, 50)).toBeUndefined();
  });

  test.for(['190000', '200001'])('at version %s, for whole milliseconds', async (version) => {
    const standby = await standbyOf(version);

    await whenReplayed(standby.db, position, 49.2);
    await whenReplayed(standby.db, `${TIMELINE}-3000148`, 50);

    expect(standby.asked.filter((what) => what.startsWith('WAIT'))).toEqual([
      "WAIT FOR LSN '1/2000000a' WITH (TIMEOUT '50ms', NO_THROW)",
      "WAIT FOR LSN '0/3000148' WITH (TIMEOUT '50ms', NO_THROW)",
    ]);
  });

  test.for([
    ['success', 'reached'],
    ['timeout', 'behind'],
    ['not in recovery', 'unknown'],
  ] as const)('and with the answer "%s" it is %s', async ([arrival, reach]) => {
    const standby = await standbyOf('190000');
    standby.arrival = arrival;

    expect(await whenReplayed(standby.db, position, 50)).toBe(reach);
  });

  test('not again before it has told its version anew, if it fails', async () => {
    const standby = await standbyOf('190000');
    standby.arrival = new Error('syntax error at or near "WAIT"');

    expect(await whenReplayed(standby.db, position, 50)).toBe('behind');
    expect(whenReplayed(standby.db, position, 50)).toBeUndefined();

    await readReplayed(standby.db);
    expect(whenReplayed(standby.db, position, 50)).toBeDefined();
  });
});

/** A standby that has told its version. */
async function standbyOf(version: string): Promise<ScriptedStandby> {
  const standby = Object.assign(new ScriptedStandby(), { version });
  await readReplayed(standby.db);
  return standby;
}
