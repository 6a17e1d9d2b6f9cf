import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { visit } from '../support/example/browser.ts';
import { ENDLESS, type LagLabOptions, startLagLab } from '../support/example/lag-lab.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';

describe("the link of the lag lab's page", () => {
  let database: ReplicatedDatabase<SnapshotTables>;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables, startReplicationCluster);
  });
  afterAll(() => database?.end());

  const open = async (hash: string, options?: LagLabOptions) => {
    const running = await startLagLab(database.cluster, options);
    const visited = await visit(`${running.url}/${hash}`);
    await visited.page.getByText('Live', { exact: true }).waitFor();
    const { page } = visited;
    return { ...running, ...visited, hash: () => page.evaluate<string>('location.hash') };
  };

  test('sets all that it says, and all else as it is at first', async () => {
    const { lab, url } = await startLagLab(database.cluster);
    await lab.change({ retryMinMs: 10 });
    const { page } = await visit(
      `${url}/#lagMs=20&runners=3&pollsPerSecond=10&retryMaxMs=300&lane=blind&skipHits=true`,
    );
    await expect
      .poll(() => lab.state().settings)
      .toEqual({
        ...lab.state().defaults,
        lagMs: 20,
        runners: 3,
        pollsPerSecond: 10,
        retryMaxMs: 300,
      });
    expect(await page.locator('#lane-blind').getAttribute('aria-pressed')).toBe('true');
    expect(await page.locator('#skip-hits').isChecked()).toBe(true);
    await lab.change({ lagMs: 0 });
  });

  test('follows what is set, by whomever, and is short while nothing is', async () => {
    const { page, lab, hash } = await open('');
    expect(await hash()).toBe('');
    await lab.change({ runners: 2, paused: true });
    await expect.poll(hash).toBe('#paused=true&runners=2');
    await page.locator('#lane-sticky').press('Enter');
    await page.locator('#skip-hits').check();
    expect(await hash()).toBe('#paused=true&runners=2&lane=sticky&skipHits=true');
    const linkIsSet = page.waitForResponse('**/lab/settings');
    await page.reload();
    await linkIsSet;
    await page.getByText('Live', { exact: true }).waitFor();
    expect(await page.locator('#lane-sticky').getAttribute('aria-pressed')).toBe('true');
    await lab.change({ ...lab.state().defaults });
    await expect.poll(hash).toBe('#lane=sticky&skipHits=true');
  });

  test('plays a scene, and keeps what was set before it', async () => {
    const { page, lab, hash } = await open('#runners=2&scene=bogus-ids', ENDLESS);
    await expect.poll(() => lab.state().playing?.name).toBe('bogus-ids');
    await expect.poll(hash).toBe('#runners=2&scene=bogus-ids');
    await page.locator('#stop').press('Enter');
    await expect.poll(() => lab.state().playing).toBe(null);
    await expect.poll(hash).toBe('#runners=2');
    expect(lab.state().settings.runners).toBe(2);
  });

  test('waits until it can be so: for the lab to open, and for another scene to end', async () => {
    const running = await startLagLab(database.cluster, { ...ENDLESS, open: false });
    const { page } = await visit(`${running.url}/#runners=3&scene=bogus-ids`);
    await page.getByText('The demonstration in the terminal comes first.').first().waitFor();
    expect(await page.evaluate('location.hash')).toBe('#runners=3&scene=bogus-ids');
    running.lab.open();
    await expect.poll(() => running.lab.state().playing?.name).toBe('bogus-ids');
    await expect.poll(() => running.lab.state().settings.pollsPerSecond).toBe(8);

    const other = await visit(`${running.url}/#runners=5`);
    await other.page.getByText('Bogus ids: step 1 of 1').first().waitFor();
    await running.lab.stopScene();
    await expect.poll(() => running.lab.state().settings.runners).toBe(5);
  });

  test('works, too, when it is changed on an open page', async () => {
    const { page, lab } = await open('');
    await page.evaluate("location.hash = '#runners=7'");
    await expect.poll(() => lab.state().settings.runners).toBe(7);
  });

  test('that says what cannot be is refused, with the reason', async () => {
    const { page, lab } = await open('#runners=7000');
    await page.getByText('Expected `runners` to be an integer from 0 to 20, got 7000.').waitFor();
    expect(lab.state().settings).toEqual(lab.state().defaults);
  });

  test('leaves the lag of your own servers alone', async () => {
    const { page, lab } = await open('#lagMs=900&runners=1', { ownServers: true });
    await expect.poll(() => lab.state().settings.runners).toBe(1);
    expect(lab.state().settings.lagMs).toBe(0);
    expect(await page.locator('#controls-error').isHidden()).toBe(true);
  });
});
