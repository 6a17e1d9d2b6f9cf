import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBarriers } from '../support/example/accessibility.ts';
import { visit } from '../support/example/browser.ts';
import { startLagLab } from '../support/example/lag-lab.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';

const PATIENCE = { timeout: 15_000 };

describe("the connection of the lag lab's page", () => {
  let database: ReplicatedDatabase<SnapshotTables>;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables, startReplicationCluster);
  });
  afterAll(() => database?.end());

  const open = async () => {
    const running = await startLagLab(database.cluster);
    const visited = await visit(running.url);
    await live(visited.page);
    return { ...running, ...visited };
  };

  test('ends its visit when the page is closed', async () => {
    const { page, lab } = await open();
    expect(lab.visits).toBe(1);
    await page.close();
    await expect.poll(() => lab.visits).toBe(0);
  });

  test('rests while the page is hidden, and then tells the same story', async () => {
    const { page, lab } = await open();
    await page.getByText(/The replica had the row/).waitFor();
    await page.locator('#previous').press('Enter');
    const story = await page.locator('#ladder').textContent();
    await setHidden(page, true);
    await expect.poll(() => lab.visits).toBe(0);
    const age = page.locator('#story-which');
    const before = await age.textContent();
    await setHidden(page, false);
    await expect.poll(() => lab.visits).toBe(1);
    await expect.poll(() => age.textContent()).not.toBe(before);
    expect(await page.locator('#ladder').textContent()).toBe(story);
    expect(await page.locator('#latest').getAttribute('aria-pressed')).toBe('false');
  });

  test(
    'leaves the browser enough connections for a seventh tab',
    { timeout: 120_000 },
    async () => {
      const { page, lab, url } = await open();
      for (let others = 0; others < 6; others += 1) {
        const tab = await page.context().newPage();
        await tab.goto(url);
        await live(tab);
        await setHidden(tab, true);
      }
      await page.locator('#runners').press('Home');
      await expect.poll(() => lab.state().settings).toMatchObject({ runners: 0 });
    },
  );

  test('says when what was asked for is not answered in time', async () => {
    const { page } = await open();
    await page.route('**/lab/settings', () => {});
    await page.locator('#runners').press('Home');
    await page.getByText('The server has not answered for 10 seconds.').waitFor(PATIENCE);
    expect(await findBarriers(page)).toEqual([]);
    expect(await page.locator('#runners-value').textContent()).toBe('4');
  });

  test('pauses when nobody has touched the page for ten minutes, until somebody resumes', async () => {
    const { page, lab } = await open();
    await page.clock.install();
    await page.reload();
    await live(page);
    await page.clock.fastForward('09:00');
    await page.keyboard.press('Shift');
    await page.clock.fastForward('09:00');
    await live(page);
    await page.clock.fastForward('01:00');
    await page.getByText('nobody has touched this page for ten minutes').waitFor();
    expect(await findBarriers(page)).toEqual([]);
    await expect.poll(() => lab.visits).toBe(0);
    expect(await canBeSet(page)).toBe(false);

    await page.getByRole('button', { name: 'Resume' }).press('Enter');
    await live(page);
    expect(lab.visits).toBe(1);
    expect(await canBeSet(page)).toBe(true);
    expect(await page.locator('#notice').isHidden()).toBe(true);
  });

  test('stands still, and lets the lab rest, while it is paused', async () => {
    const { page, lab } = await open();
    await page.getByText(/The replica had the row/).waitFor();
    await page.getByRole('button', { name: 'Pause' }).press('Enter');
    await page.getByText('Paused: the page stands still.').waitFor();
    await expect.poll(() => lab.visits).toBe(0);
    expect(await findBarriers(page)).toEqual([]);
    expect(await focusedId(page)).toBe('resume');
    const age = page.locator('#story-which');
    await page.locator('#previous').press('Enter');
    const before = await age.textContent();
    // A tab that was hidden comes back as it was.
    await setHidden(page, true);
    await setHidden(page, false);
    await page.waitForTimeout(500);
    expect(await age.textContent()).toBe(before);
    expect(lab.visits).toBe(0);
    await page.getByRole('button', { name: 'Resume' }).press('Enter');
    await live(page);
    expect(lab.visits).toBe(1);
    expect(await focusedId(page)).toBe('hold');
  });

  test('says when it is lost, lets nobody set anything, and comes back by itself', async () => {
    const { page, url, close } = await open();
    expect(await canBeSet(page)).toBe(true);
    await page.locator('#runners').focus();
    await close();
    // Silence alone would tell after five seconds.
    await page.getByText('The connection to the service is lost.').waitFor({ timeout: 4_000 });
    await page.getByText('Disconnected', { exact: true }).waitFor();
    expect(await findBarriers(page)).toEqual([]);
    expect(await canBeSet(page)).toBe(false);
    const again = await startLagLab(database.cluster, { port: Number(new URL(url).port) });
    await live(page);
    expect(await page.locator('#notice').isHidden()).toBe(true);
    expect(await focusedId(page)).toBe('runners');
    expect(again.lab.visits).toBe(1);
  });

  test('forgets, with the server, its polls and that it did not answer', async () => {
    const { page, url, close } = await open();
    await page.getByText(/The replica had the row/).waitFor();
    await page.locator('#previous').press('Enter');
    await page.route('**/lab/settings', (route) => route.abort());
    await page.locator('#runners').press('Home');
    await page.getByText('The server does not answer.').waitFor();

    await close();
    await startLagLab(database.cluster, { port: Number(new URL(url).port), open: false });
    await page.getByText('The demonstration in the terminal comes first.').first().waitFor();
    await live(page);
    expect(await page.locator('#controls-error').isHidden()).toBe(true);
    await page.getByText('No poll yet.').waitFor(); // the page is drawn ten times a second
    expect(await findBarriers(page)).toEqual([]);
    expect(await page.locator('#story-which').textContent()).toBe('');
    expect(await page.locator('#ladder li').allInnerTexts()).toEqual([
      'replica',
      'wait',
      'replica_retry',
      'primary',
    ]);
    expect(await page.locator('#latest').getAttribute('aria-pressed')).toBe('true');
  });

  test('waits for its turn when too many pages are open', async () => {
    const { url, lab } = await startLagLab(database.cluster);
    const others = Array.from({ length: 20 }, () => lab.visit());
    const { page } = await visit(url);
    await page.getByText('The connection to the service is lost.').waitFor();
    others[0]?.end();
    await live(page);
    expect(lab.visits).toBe(20);
  });
});

/** Resolves when the page shows what happens. */
function live(page: Page): Promise<void> {
  return page.getByText('Live', { exact: true }).waitFor();
}

function setHidden(page: Page, isHidden: boolean): Promise<unknown> {
  return page.evaluate(`
    Object.defineProperty(document, 'hidden', { configurable: true, value: ${isHidden} });
    document.dispatchEvent(new Event('visibilitychange'));`);
}

/** Whether a control takes the focus, and a scene too. */
async function canBeSet(page: Page): Promise<boolean> {
  const before = await focusedId(page);
  const canFocus = async (id: string) => {
    await page.locator(`#${id}`).focus();
    return (await focusedId(page)) === id;
  };
  const can = (await canFocus('runners')) && (await canFocus('scene-bogus-ids'));
  if (before !== '') await page.locator(`#${before}`).focus();
  return can;
}

function focusedId(page: Page): Promise<string> {
  return page.evaluate<string>('document.activeElement.id');
}
