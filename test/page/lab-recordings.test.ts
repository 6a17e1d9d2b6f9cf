import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  prepareFolder,
  type Recording,
  recordScenes,
} from '../../examples/snapshots-service/lab/record-scenes.ts';
import { SCENES } from '../../examples/snapshots-service/lab/scenes.ts';
import { findBarriers } from '../support/example/accessibility.ts';
import { visit } from '../support/example/browser.ts';
import { startLagLab } from '../support/example/lag-lab.ts';
import { startReplicatedDatabase } from '../support/replicated-database.ts';

const PATIENCE = { timeout: 15_000 };

describe("recordings of the lag lab's scenes", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lag-lab-'));
    const database = await startReplicatedDatabase<SnapshotTables>(
      createSnapshotTables,
      startReplicationCluster,
    );
    const { lab, close } = await startLagLab(database.cluster, { pace: 0.35 });
    await prepareFolder(folder);
    await recordScenes(lab, folder, () => {}, new AbortController().signal);
    await close();
    await database.end();
  }, 300_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Serves nothing but files. The servers of the recordings are gone. */
  const open = async (hash = '') => {
    const app = new Hono().use(serveStatic({ root: folder }));
    const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 });
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('It has no port.');
    const visited = await visit(`http://127.0.0.1:${address.port}/${hash}`);
    await visited.page.getByText('Recording', { exact: true }).waitFor();
    return visited;
  };

  test('are one file for each scene, and the page', async () => {
    const names = SCENES.map(({ name }) => `${name}.json`).toSorted();
    const recordings = join(folder, 'lab/recordings');
    expect((await readdir(recordings)).toSorted()).toEqual(names);
    for (const name of names) {
      expect((await stat(join(recordings, name))).size).toBeLessThan(5_000_000);
      expect(await readFile(join(recordings, name), 'utf8')).not.toMatch(/postgres:|password/);
    }
  });

  test('play as they were, on the same page, from plain files', async () => {
    const { page, complaints, requested } = await open();
    const titles = await watchTitles(page);
    await page.getByText(/^Write spike: step \d of 4$/).waitFor();
    await page.getByText('The replica caught up and had the row').first().waitFor(PATIENCE);
    expect(await page.locator('#runners').isDisabled()).toBe(true);
    await page.getByText('This is a recording. Run the lab yourself to set the lag.').waitFor();
    expect(await page.locator('#reload').isHidden()).toBe(true);
    expect(await findBarriers(page)).toEqual([]);
    await page.getByText('Write spike has ended').first().waitFor(PATIENCE);
    expect(await titles()).toEqual([
      ...[1, 2, 3, 4].map((step) => `Write spike: step ${step} of 4`),
      'Write spike has ended',
    ]);
    const [worst, , , , best] = await page.locator('#caption-tally li').allInnerTexts();
    expect(worst).toMatch(/^Replica only [1-9]\d* wrong, 0 on the primary/);
    expect(best).toMatch(/^Catch-up 0 wrong/);
    expect(requested.filter((url) => !/\/$|\/lab\/[a-z-]+\.(js|css|svg)$/.test(url))).toEqual([
      expect.stringMatching(/\/lab\/recordings\/write-spike\.json$/),
    ]);
    expect(complaints).toEqual([]);
  });

  test('say so when one is not there, and begin with one that is', async () => {
    const { page } = await open('#scene=nope');
    await page.getByText(/^Write spike: step \d of 4$/).waitFor(PATIENCE);
    await page.route('**/standby-restart.json', (route) => route.fulfill({ status: 404 }));
    await page.locator('#scene-standby-restart').press('Enter');
    await page.locator('#stop').press('Enter');
    await page.getByText('Write spike has ended').first().waitFor(PATIENCE);
    await page.locator('#scene-standby-restart').press('Enter');
    await page.getByText('The recording is not there: the server says 404.').waitFor();
    expect(await page.locator('#scene-long-lag').isEnabled()).toBe(true);
  });

  test('begin with what is calm, not with the scene before', async () => {
    for (const { name } of SCENES) {
      const text = await readFile(join(folder, 'lab/recordings', `${name}.json`), 'utf8');
      const recording: Recording = JSON.parse(text);
      const [first, second] = recording;
      expect(first).toMatchObject({ state: { playing: null, played: null } });
      expect(second).toMatchObject({ news: { polls: [], samples: [], marks: [] } });
      const last = recording.findLast((event) => 'state' in event);
      expect(last).toMatchObject({ state: { played: { name, end: 'finished' } } });
    }
  });

  test('go to a new or empty folder only', async () => {
    await expect(prepareFolder(folder)).rejects.toThrow(
      `Expected \`--record\` to be a new or empty folder, got ${folder}.`,
    );
    await expect(prepareFolder('/dev/null/lab')).rejects.toThrow(
      'Cannot make the folder /dev/null/lab: ENOTDIR',
    );
  });

  test('can be chosen, by the link or on the page, paused, and brought to their end', async () => {
    const { page } = await open('#scene=bogus-ids');
    await page.getByRole('button', { name: 'Pause' }).press('Enter');
    await page.getByText('Paused', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Resume' }).press('Enter');
    await page.getByText('Recording', { exact: true }).waitFor();
    await page.getByText('Bogus ids: step 1 of 1').first().waitFor(PATIENCE);
    await page.locator('#stop').press('Enter');
    await page.getByText('Bogus ids has ended').first().waitFor();
    expect(await page.evaluate('document.activeElement.id')).toBe('scene-bogus-ids');
    await page.getByRole('button', { name: 'Pause' }).press('Enter');
    await page.getByRole('button', { name: 'Resume' }).press('Enter');
    await page.getByText('Recording', { exact: true }).waitFor();

    await page.locator('#scene-long-lag').press('Enter');
    await page.getByText(/^Lag longer than the window: step \d of 3$/).waitFor(PATIENCE);
    expect(await page.evaluate('location.hash')).toBe('#scene=long-lag');
  });
});

/** All that the caption of a page says from now on, also what is gone before anybody has seen it. */
async function watchTitles(page: Page): Promise<() => Promise<string[]>> {
  await page.evaluate(`
    window.titles = [];
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) {
        for (const { data } of addedNodes) window.titles.push(data);
      }
    }).observe(document.querySelector('#caption-title'), { childList: true });`);
  return () => page.evaluate<string[]>('window.titles');
}
