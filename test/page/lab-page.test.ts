import { fileURLToPath } from 'node:url';
import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabNews } from '../../examples/snapshots-service/lab/lab-record.ts';
import { SCENES } from '../../examples/snapshots-service/lab/scenes.ts';
import { findBarriers } from '../support/example/accessibility.ts';
import { visit } from '../support/example/browser.ts';
import { readWaits } from '../support/example/example-service.ts';
import {
  ENDLESS,
  kindOf,
  type LagLabOptions,
  readReplayControls,
  startLagLab,
} from '../support/example/lag-lab.ts';
import {
  type ReplicatedDatabase,
  startReplicatedDatabase,
} from '../support/replicated-database.ts';

/** With the default, a machine that stands still for a while makes catch-up read from the primary. */
const PATIENT: LagLabOptions = { retryMaxMs: 2_000 };

const ARTIFACTS = fileURLToPath(new URL('../artifacts/', import.meta.url));

describe("the lag lab's page", () => {
  let database: ReplicatedDatabase<SnapshotTables>;

  beforeAll(async () => {
    database = await startReplicatedDatabase(createSnapshotTables, startReplicationCluster);
  });
  afterAll(() => database?.end());

  const open = async (options?: LagLabOptions, browser?: Parameters<typeof visit>[1]) => {
    const running = await startLagLab(database.cluster, options);
    const visited = await visit(running.url, browser);
    await visited.page.getByText('Live', { exact: true }).waitFor();
    return { ...running, ...visited };
  };
  /** The standby has what visitors edit. */
  const openWithDraft = async (options?: LagLabOptions) => {
    const opened = await open(options);
    await opened.lab.draft();
    await database.catchUp();
    return opened;
  };
  const readStandby = () => readReplayControls(database.replica.db);

  test('opens without a complaint, and asks nobody else for anything', async () => {
    const { page, url, complaints, requested } = await open();
    await expect
      .poll(() => totalsOf(page, 'catch-up'))
      .toMatchObject({ Wrong: expect.stringMatching(/^0 of [1-9]/) });
    await page.getByText(/The replica had the row/).waitFor();
    expect(await page.title()).toContain('The lag lab');
    expect(requested.filter((each) => !each.startsWith(`${url}/`))).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('sets the lag and the pause of the standby itself', async () => {
    const { page, lab } = await open();
    await pressOn(page, 'lagMs', 'End');
    await expect.poll(readStandby).toMatchObject({ delay: '5s' });
    await expect.poll(() => page.locator('#lagMs').getAttribute('aria-valuetext')).toBe('5 s');
    await pressOn(page, 'lagMs', 'Home');
    await expect.poll(readStandby).toMatchObject({ delay: '0' });

    await page.getByRole('switch', { name: 'Pause replay' }).press('Space');
    await expect.poll(readStandby).toMatchObject({ pause: 'paused' });
    const { news } = lab.visit();
    const spills = () =>
      news().polls.some((poll) => poll.lane === 'catch-up' && kindOf(poll) === 'primary');
    await expect.poll(spills).toBe(true);
    await page.getByRole('switch', { name: 'Pause replay' }).press('Space');
    await expect.poll(readStandby).toMatchObject({ pause: 'not paused' });
  });

  test('shows who lies, who waits, and who hammers the primary', async () => {
    const { page, lab } = await open(PATIENT);
    await lab.change({ lagMs: 100 });
    const some = expect.stringMatching(/^[1-9][\d,]* of/);
    const none = expect.stringMatching(/^0 of [1-9]/);
    const times = expect.stringMatching(/^[\d.]+ ms, [\d.]+ ms$/);
    const expected = {
      replica: { Wrong: some, 'Primary reads': '0.0 /s', 'Late p50, p99': '–' },
      primary: { Wrong: none, 'Right from the replica': '0 %', 'Late p50, p99': '–' },
      sticky: { Wrong: some, 'Primary reads': expect.stringMatching(/^[1-9]/) },
      blind: { Wrong: none, 'Late p50, p99': times },
      'catch-up': { Wrong: none, 'Primary reads': '0.0 /s', 'Late p50, p99': times },
    };
    for (const [lane, totals] of Object.entries(expected)) {
      await expect.poll(() => totalsOf(page, lane)).toMatchObject(totals);
    }
    expect(await page.locator('#lanes .bad').count()).toBe(2);
    await expect
      .poll(() => page.evaluate<boolean[]>(DRAWS_LIES))
      .toEqual([true, false, true, false, false]);
    await lab.change({ lagMs: 0 });
  });

  test('sets the retry window, one end pushing the other, and the traffic', async () => {
    const { page, lab } = await open();
    const { news } = lab.visit();
    await pressOn(page, 'retryMinMs', 'End');
    await expect
      .poll(() => news().polls.at(-1))
      .toMatchObject({ retryMinMs: 2000, retryMaxMs: 2000 });
    await pressOn(page, 'retryMaxMs', 'Home');
    await expect.poll(() => news().polls.at(-1)).toMatchObject({ retryMinMs: 0, retryMaxMs: 0 });

    await pressOn(page, 'runners', 'Home');
    await waitUntilQuiet(news);
    await pressOn(page, 'pollsPerSecond', 'Home');
    await pressOn(page, 'runners', 'ArrowRight');
    await expect
      .poll(() => lab.state().settings)
      .toMatchObject({ runners: 1, pollsPerSecond: 0.2 });
    await pressOn(page, 'pollsPerSecond', 'End');
    // One runner at 0.2 polls per second takes 50 seconds for as many.
    let polls = 0;
    await expect.poll(() => (polls += news().polls.length)).toBeGreaterThan(10);
  });

  test('plays a scene, tells what is to be seen, and stops it', async () => {
    const { page, lab, complaints } = await open(ENDLESS);
    const before = lab.state().settings;
    const button = page.locator('#scene-bogus-ids');
    await button.press('Enter');
    await page.getByText('step 1 of 1').first().waitFor();
    await page
      .getByText('With catch-up, the primary is asked how far it is, but for no row.')
      .first()
      .waitFor();
    expect(lab.state().playing).toMatchObject({ name: 'bogus-ids' });
    expect(await page.locator('#scene-long-lag').isDisabled()).toBe(true);
    expect(await page.locator('#lagMs').isDisabled()).toBe(true);
    expect(await page.locator('#standby-reason').textContent()).toContain('“Bogus ids” is playing');
    expect(await findBarriers(page)).toEqual([]);
    await page.locator('#skip-hits').check();
    await page.getByText('The id is bogus: the replica had all that the primary had').waitFor();

    await page.getByRole('button', { name: 'Stop the scene Bogus ids' }).press('Enter');
    await expect.poll(() => lab.state().playing).toBe(null);
    expect(lab.state()).toMatchObject({ settings: before, played: { end: 'stopped' } });
    await expect.poll(() => page.locator('#lagMs').isEnabled()).toBe(true);
    expect(await page.getByRole('status').textContent()).toContain('Bogus ids was stopped.');
    const tally = await page.locator('#caption-tally li').allInnerTexts();
    expect(tally).toEqual([
      expect.stringMatching(/^Replica only \d+ wrong, 0 on the primary, of \d+$/),
      expect.stringMatching(/^Primary only 0 wrong, \d+ on the primary, of \d+$/),
      expect.stringMatching(/^Sticky primary \d+ wrong, \d+ on the primary, of \d+$/),
      expect.stringMatching(/^One blind retry 0 wrong, \d+ on the primary, of \d+$/),
      expect.stringMatching(/^Catch-up 0 wrong, \d+ on the primary, of \d+$/),
    ]);
    expect(complaints).toEqual([]);
  });

  test(
    'tells what a whole scene has come to, in every lane, as the picture in the README does',
    { timeout: 60_000 },
    async () => {
      const { page, lab } = await open({}, { viewport: { width: 1280, height: 1000 } });
      await page.locator('#scene-write-spike').press('Enter');
      await page.getByText('Write spike has ended').first().waitFor({ timeout: 30_000 });
      expect(lab.state().played).toMatchObject({ end: 'finished' });
      const tally = await page.locator('#caption-tally li').allInnerTexts();
      expect(tally).toEqual([
        expect.stringMatching(/^Replica only [1-9]\d* wrong, 0 on the primary/),
        expect.stringMatching(/^Primary only 0 wrong, [1-9]\d* on the primary/),
        expect.stringMatching(/^Sticky primary [1-9]\d* wrong, [1-9]\d* on the primary/),
        expect.stringMatching(/^One blind retry 0 wrong, [1-9]\d* on the primary/),
        expect.stringMatching(/^Catch-up 0 wrong/),
      ]);
      await page.locator('#watch').screenshot({ path: `${ARTIFACTS}lag-lab.png` });
    },
  );

  test('gives the focus back when a scene that was started elsewhere has ended', async () => {
    const { page, lab } = await open(ENDLESS);
    await page.locator('#runners').focus();
    lab.play(SCENES.find(({ name }) => name === 'bogus-ids')!);
    await expect.poll(() => page.locator('#runners').isDisabled()).toBe(true);
    await lab.stopScene();
    await expect.poll(() => page.evaluate<string>('document.activeElement.id')).toBe('runners');
  });

  test('says that there is no earlier poll', async () => {
    const { page, lab } = await open();
    await page.getByText(/The replica (had the row|caught up and)/).waitFor();
    await lab.change({ runners: 0 });
    const previous = page.locator('#previous');
    const goBack = async () => {
      await previous.press('Enter');
      return previous.getAttribute('aria-disabled');
    };
    await expect.poll(goBack, { interval: 1 }).toBe('true');
    expect(await page.locator('#story-which').textContent()).toMatch(/^#\d+ in/);
    await page.locator('#latest').press('Enter');
    expect(await previous.getAttribute('aria-disabled')).toBe('false');
  });

  test('can be used by keyboard alone', async () => {
    const { page, lab } = await open();
    const reached: string[] = [];
    for (let tabs = 0; tabs < 30; tabs += 1) {
      await page.keyboard.press('Tab');
      reached.push(await page.evaluate<string>('document.activeElement.id'));
    }
    expect([...new Set(reached)].filter((id) => id !== '').join(' ')).toBe(
      'hold timeline lane-replica lane-primary lane-sticky lane-blind lane-catch-up ' +
        'scene-write-spike scene-long-lag scene-standby-restart scene-bogus-ids ' +
        'lagMs paused retryMinMs retryMaxMs runners pollsPerSecond save ' +
        'skip-hits previous next latest',
    );

    const which = async () =>
      Number(/#(\d+)/.exec((await page.locator('#story-which').textContent()) ?? '')?.[1]);
    await expect.poll(which).toBeGreaterThan(4);
    // A poll that is under way is not there yet, and one after it may be.
    const { runners } = lab.state().settings;
    await lab.change({ runners: 0 });
    await waitUntilQuiet(lab.visit().news);
    await page.locator('#timeline').press('ArrowLeft');
    expect(await page.locator('#latest').getAttribute('aria-pressed')).toBe('false');
    const chosen = await which();
    await page.locator('#timeline').press('ArrowLeft');
    await expect.poll(which).toBe(chosen - 1);
    await page.locator('#timeline').press('Control+ArrowLeft');
    await page.locator('#timeline').press('ArrowRight');
    await page.locator('#timeline').press('ArrowRight');
    await expect.poll(which).toBe(chosen + 1);
    await lab.change({ runners });
    await page.locator('#timeline').press('Escape');
    expect(await page.locator('#latest').getAttribute('aria-pressed')).toBe('true');
    await expect.poll(which).toBeGreaterThan(chosen + 1);
  });

  test('tells the story of the poll that is clicked, rung by rung', async () => {
    const { page, lab } = await open();
    await lab.change({
      lagMs: 250,
      retryMinMs: 500,
      retryMaxMs: 500,
      runners: 8,
    });
    const rungs = page.locator('#ladder li');
    await expect
      .poll(async () => {
        // Where polls of 500 ms are, on a scale of 4.4 powers of ten that ends with 10 to the power of 3.7.
        const strip = page.locator('#lanes li', { hasText: 'One blind retry' }).locator('.u-over');
        const box = await strip.boundingBox();
        if (box === null) return [];
        await page.mouse.click(box.x + box.width - 24, box.y + box.height * (1 / 4.4));
        return rungs.allInnerTexts();
      })
      .toEqual([
        expect.stringMatching(/^replica\s[\d.]+ ms\sa miss: not here \(yet\)/),
        expect.stringMatching(/^wait\s\d\d\d ms\sa random time from 500 to 500 ms/),
        expect.stringMatching(/^replica_retry\s[\d.]+ ms\sfound/),
        expect.stringMatching(/^primary\s–\snot needed/),
      ]);
    expect(await page.locator('#latest').getAttribute('aria-pressed')).toBe('false');
    await lab.change({ lagMs: 0 });
  });

  test('tells that a read waited just until the replica had caught up', async () => {
    const { page, lab } = await open(PATIENT);
    await lab.change({ lagMs: 100 });
    await page.getByText('The replica caught up and had the row').waitFor();
    await page.locator('#skip-hits').check();
    await page.locator('#previous').press('Enter');
    expect(await page.locator('#ladder li').allInnerTexts()).toEqual([
      expect.stringMatching(/^replica\s[\d.]+ ms\sa miss: not here \(yet\)/),
      expect.stringMatching(/^wait\s[\d.]+ ms\suntil it had replayed the primary’s position/),
      expect.stringMatching(/^replica_retry\s[\d.]+ ms\sfound/),
      expect.stringMatching(/^primary\s–\snot needed/),
    ]);
    await lab.change({ lagMs: 0 });
  });

  test('tells that a read did not wait for a replica that cannot catch up in time', async () => {
    const { page, lab } = await open();
    await lab.change({ paused: true });
    const { news } = lab.visit();
    let hopeless = 0;
    const countHopeless = () =>
      (hopeless += news().polls.filter(({ catchUpEnd }) => catchUpEnd === 'hopeless').length);
    await expect.poll(countHopeless).toBeGreaterThan(10);
    await page.getByText('The replica was too far behind to wait for').waitFor();
    // Some polls have waited, before the lab knew.
    await expect
      .poll(() => tellNext(page))
      .toEqual([
        expect.stringMatching(/^replica\s[\d.]+ ms\sa miss: not here \(yet\)/),
        expect.stringMatching(/^wait\s[\d.]+ ms\sover at once: it is too far behind/),
        expect.stringMatching(/^replica_retry\s–\sskipped: it has not caught up/),
        expect.stringMatching(/^primary\s[\d.]+ ms\sfound/),
      ]);
    await lab.change({ paused: false });
  });

  test('tells how the same question went in another lane', async () => {
    const { page, lab } = await open();
    await lab.change({ lagMs: 5000 });
    const { news } = lab.visit();
    let lies = 0;
    const countLies = () =>
      (lies += news().polls.filter(({ lane, isLie }) => lane === 'replica' && isLie).length);
    await expect.poll(countLies).toBeGreaterThan(10);
    await page.locator('#skip-hits').check();
    await page.locator('#previous').press('Enter');
    const which = () => page.locator('#story-which').textContent();
    const question = /#\d+/.exec((await which()) ?? '')?.[0] ?? '';
    for (const [lane, moral] of [
      ['replica', 'The replica said “not found”, and nobody asked further.'],
      ['primary', 'The primary was asked at once.'],
    ] as const) {
      await page.locator(`#lane-${lane}`).press('Enter');
      expect(await which()).toContain(`${question} in “${lane}”`);
      expect(await page.locator('#story-line').textContent()).toContain(moral);
      expect(await page.getByRole('status').textContent()).toContain(moral);
      expect(await page.locator(`#lane-${lane}`).getAttribute('aria-pressed')).toBe('true');
    }
    expect(await page.locator('#ladder li').allInnerTexts()).toEqual([
      expect.stringMatching(/^replica\s–\snot asked/),
      expect.stringMatching(/^wait\s–\snot asked/),
      expect.stringMatching(/^replica_retry\s–\snot asked/),
      expect.stringMatching(/^primary\s[\d.]+ ms\sfound/),
    ]);
    await lab.change({ lagMs: 0 });
  });

  test('saves and lists: the old description without a session, and the new one in a session', async () => {
    const { page, lab, url, complaints } = await openWithDraft({ retryMaxMs: 20_000 });
    await lab.change({ paused: true });
    const isListedAlone = page.waitForResponse(
      (response) =>
        response.url().endsWith('/snapshots') &&
        response.request().method() === 'GET' &&
        response.request().headers()['x-position'] === undefined,
    );
    await page.getByRole('button', { name: 'Save and reload' }).press('Enter');
    await isListedAlone;
    await readWaits(url);
    await lab.change({ paused: false });
    await page
      .locator('#list-alone')
      .getByText(/^The old one: “.+”. From the replica, \d/)
      .waitFor();
    await page
      .locator('#list-session')
      .getByText(/^The new one: “.+”. From the replica, when it had caught up, \d/)
      .waitFor();
    expect(complaints).toEqual([]);
  });

  test('lists the new description from the primary when the standby does not get it in time', async () => {
    const { page, lab } = await openWithDraft();
    await lab.change({ paused: true });
    await page.locator('#save').press('Enter');
    await page
      .locator('#list-session')
      .getByText(/^The new one: “.+”. From the primary, \d/)
      .waitFor();
    expect(await page.locator('#list-alone').textContent()).toMatch(/^The old one/);
    await lab.change({ paused: false });
  });

  test('tells that there was no wait when the window is 0', async () => {
    const { page, lab } = await open();
    await lab.change({ lagMs: 1000, retryMinMs: 0, retryMaxMs: 0 });
    await page.getByText('and without a wait the primary answered.').waitFor();
    // Some polls may have been asked before the lag was there.
    await expect
      .poll(() => tellNext(page))
      .toEqual([
        expect.stringMatching(/^replica\s[\d.]+ ms\sa miss: not here \(yet\)/),
        expect.stringMatching(/^wait\s–\sskipped: the wait is set to 0/),
        expect.stringMatching(/^replica_retry\s–\sskipped: the wait is set to 0/),
        expect.stringMatching(/^primary\s[\d.]+ ms\sfound/),
      ]);
    await lab.change({ lagMs: 0 });
  });

  test.for([
    ['laptop', 'light', 1280, 800],
    ['laptop', 'dark', 1280, 800],
    ['phone', 'light', 390, 844],
    ['phone', 'dark', 320, 640],
  ] as const)('can be read on a %s in %s colours', async ([device, colorScheme, width, height]) => {
    const { page, lab, complaints } = await open(
      {},
      { colorScheme, viewport: { width, height }, isMobile: device === 'phone' },
    );
    await lab.change({ lagMs: 100, runners: 8 });
    await page.locator('#skip-hits').check();
    await page.getByText(/and the primary was spared|so the primary answered/).waitFor();
    await page.locator('#save').press('Enter');
    await page.locator('#lists').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(await page.evaluate(CUT_OFF_TOTALS)).toEqual([]);
    expect(await page.evaluate(FAINT_TEXTS)).toEqual([]);
    expect(await findBarriers(page)).toEqual([]);
    const isDark = await page.evaluate<boolean>(
      'getComputedStyle(document.body).color.match(/\\d+/)[0] > 128',
    );
    expect(isDark).toBe(colorScheme === 'dark');
    await page.screenshot({
      path: `${ARTIFACTS}lag-lab-${device}-${colorScheme}.png`,
      fullPage: true,
    });
    await lab.change({ lagMs: 0 });
    expect(complaints).toEqual([]);
  });

  test('shows what is on, and the bars of a story, in high contrast, too', async () => {
    const { page } = await open({}, { forcedColors: 'active' });
    const backgroundOf = (selector: string) =>
      page.evaluate<string>(
        `getComputedStyle(document.querySelector('${selector}')).backgroundColor`,
      );
    const off = await backgroundOf('#paused');
    await page.locator('#paused').check();
    expect(await backgroundOf('#paused')).not.toBe(off);
    await page.locator('#paused').uncheck();
    await page.getByText(/and the primary was spared/).waitFor();
    expect(await backgroundOf('#ladder .bar')).not.toBe(await backgroundOf('body'));
  });

  test('draws as sharply, and as large, when somebody zooms in', async () => {
    const { page } = await open();
    await page.evaluate(`
      const { drawImage } = CanvasRenderingContext2D.prototype;
      CanvasRenderingContext2D.prototype.drawImage = function (image, ...place) {
        const isSymbol = image.width === image.height;
        if (isSymbol) window.symbolWidth = image.width;
        drawImage.call(this, image, ...place);
      };`);
    const symbolWidth = () => page.evaluate<number | undefined>('window.symbolWidth');
    await expect.poll(symbolWidth).toBeGreaterThan(0);
    const before = (await symbolWidth()) ?? 0;
    const devtools = await page.context().newCDPSession(page);
    const metrics = { width: 1280, height: 720, deviceScaleFactor: 4, mobile: false };
    await devtools.send('Emulation.setDeviceMetricsOverride', metrics);
    await expect.poll(symbolWidth).toBeGreaterThan(2 * before);
  });

  test('moves once a second for those who want less motion', async () => {
    const { page, lab } = await open({}, { reducedMotion: 'reduce' });
    await page.evaluate(`
      window.drawn = new Map();
      window.begin = performance.now();
      const { clearRect } = CanvasRenderingContext2D.prototype;
      CanvasRenderingContext2D.prototype.clearRect = function (...box) {
        if (this.canvas.isConnected) window.drawn.set(this, (window.drawn.get(this) ?? 0) + 1);
        clearRect.apply(this, box);
      };`);
    const { news } = lab.visit();
    let samples = 0;
    await expect.poll(() => (samples += news().samples.length)).toBeGreaterThan(12);
    const [drawn = 0, seconds = 0] = await page.evaluate<number[]>(
      '[Math.max(...window.drawn.values()), (performance.now() - window.begin) / 1000]',
    );
    expect(drawn).toBeGreaterThan(0);
    expect(drawn).toBeLessThan(seconds + 2);
  });

  test('disables what would touch the lag of your own servers, and says why', async () => {
    const { page, lab, complaints } = await open({ ownServers: true });
    const reason = 'These servers are your own, so their lag is left alone.';
    expect(await page.getByText(reason).count()).toBe(2);
    expect(await page.locator('#caption-text').textContent()).not.toContain('the lag');
    for (const id of [
      'lagMs',
      'paused',
      'scene-write-spike',
      'scene-long-lag',
      'scene-standby-restart',
    ]) {
      expect(await page.locator(`#${id}`).isDisabled()).toBe(true);
    }
    await pressOn(page, 'runners', 'Home');
    await expect.poll(() => lab.state().settings).toMatchObject({ runners: 0 });
    expect(await page.locator('#scene-bogus-ids').isEnabled()).toBe(true);
    expect(complaints).toEqual([]);
  });

  test('waits while the demonstration in the terminal runs', async () => {
    const { page, lab } = await open({ open: false });
    expect(await page.locator('#runners').isDisabled()).toBe(true);
    await page.getByText('The demonstration in the terminal comes first.').first().waitFor();
    lab.open();
    await expect.poll(() => page.locator('#runners').isEnabled()).toBe(true);
  });

  test.for(['fail', 'are told lies'] as const)(
    'turns red, and tells no latency, when all reads of the replica %s',
    async (how) => {
      const [standby] = database.cluster.replicas;
      const { lab, url } = await startLagLab(database.cluster);
      await lab.change({ lagMs: how === 'fail' ? 0 : 5000 });
      if (how === 'fail') await standby.stop();
      try {
        const { page } = await visit(url);
        await expect
          .poll(() => totalsOf(page, 'replica'))
          .toEqual({
            Wrong: expect.stringMatching(/^([1-9]\d*) of \1$/),
            'Primary reads': '0.0 /s',
            'Right from the replica': '0 %',
            'Late p50, p99': '–',
          });
        const wrong = page.locator('#lanes li', { hasText: 'Replica only' }).locator('.bad');
        expect(await wrong.textContent()).toMatch(/^[1-9]/);
      } finally {
        await standby.start();
        await lab.change({ lagMs: 0 });
      }
    },
  );

  test('writes large counts so that they fit', async () => {
    const { page } = await open();
    const written = await page.evaluate(`(async () => {
      const { formatCount } = await import('/lab/format.js');
      return [0, 1234, 999_999, 1_440_000, 123_456_789].map(formatCount);
    })()`);
    expect(written).toEqual(['0', '1,234', '999,999', '1.44M', '123.46M']);
  });

  test('keeps the last half minute only, however long it is open', async () => {
    const { page } = await open();
    const kept = await page.evaluate(`(async () => {
      const { Recent } = await import('/lab/recent.js');
      const recent = new Recent();
      const poll = { lane: 'blind', outcome: 'primary', durationMs: 3, attempts: [{}, {}] };
      const sizes = [];
      for (let now = 0; now < 3_600_000; now += 1000) {
        recent.add({ now, polls: Array(9).fill({ ...poll, at: now }), samples: [{ at: now, lagMs: 0 }], marks: [] });
        const { polls, stats } = recent.lane('blind');
        sizes.push(Math.max(polls.length / 9, recent.samples.length, stats.since(now - 30_000).polls / 9));
      }
      return [Math.max(...sizes), recent.samples[0].at];
    })()`);
    expect(kept).toEqual([31, 3_569_000]);
  });

  test('draws each symbol once, where it belongs, as long as it is shown', async () => {
    const { page } = await open();
    const seconds = await page.evaluate<number[][]>(`(async () => {
      const { Tape } = await import('/lab/tape.js');
      const canvas = Object.assign(document.createElement('canvas'), { width: 400, height: 10 });
      const ctx = canvas.getContext('2d', { willReadFrequently: true });
      const sprite = Object.assign(document.createElement('canvas'), { width: 3, height: 3 });
      sprite.getContext('2d').fillRect(0, 0, 3, 3);
      const start = 1_764_000_000_000;
      const tape = new Tape();
      tape.reset(300, 10, start);
      const seen = [];
      for (let second = 0; second <= 100; second += 1) {
        const now = start + second * 1000;
        if (second % 7 === 0) tape.stamp(sprite, now - 500, 5, second % 2 === 0);
        ctx.clearRect(0, 0, 400, 10);
        tape.copyTo(ctx, { left: 50, top: 0 }, now);
        const { data } = ctx.getImageData(0, 5, 400, 1);
        const dark = Array.from({ length: 400 }, (_, x) => x).filter((x) => data[4 * x + 3] > 127);
        const middles = dark.filter((x, i) => dark[i - 1] === x - 1 && dark[i + 1] === x + 1);
        seen.push(middles.map((x) => second - (350 - x) / 10));
      }
      return seen;
    })()`);
    for (const [second, seen] of seconds.entries()) {
      const expected = Array.from({ length: 15 }, (_, index) => 7 * index - 0.5).filter(
        (at) => at <= second && at > second - 29.8,
      );
      expect(seen.length).toBe(expected.length);
      for (const [index, at] of expected.entries()) expect(seen[index]).toBeCloseTo(at, 0);
    }
  });

  test('tells percentiles of late reads that were answered rightly, to within 5 %', async () => {
    const { page } = await open();
    const times = await page.evaluate<number[]>(`(async () => {
      const { Stats, percentileOf } = await import('/lab/stats.js');
      const stats = new Stats();
      const late = [{ source: 'replica' }, { source: 'replica_retry' }];
      for (let ms = 1; ms <= 1000; ms += 1) {
        stats.add({ at: 0, outcome: 'replica_retry', durationMs: ms, attempts: late });
        stats.add({ at: 0, outcome: 'replica', durationMs: 0.5, attempts: [{ source: 'replica' }] });
        stats.add({ at: 0, outcome: 'not_found', isLie: true, durationMs: 0.5, attempts: [{ source: 'replica' }] });
      }
      const totals = stats.since(0);
      return [1, 50, 99, 100].map((percent) => percentileOf(totals, percent));
    })()`);
    for (const [index, expected] of [10, 500, 990, 1000].entries()) {
      expect(Math.abs(times[index]! / expected - 1)).toBeLessThan(0.05);
    }
  });
});

/** What is under a lane, by its name. */
async function totalsOf(page: Page, lane: string): Promise<Record<string, string>> {
  const item = page.locator('#lanes > li', { has: page.locator(`#lane-${lane}`) });
  const [terms, values] = await Promise.all([
    item.locator('dt').allTextContents(),
    item.locator('dd').allTextContents(),
  ]);
  return Object.fromEntries(terms.map((term, index) => [term, values[index] ?? '']));
}

/** Goes on to the next poll, and gives its story, rung by rung. */
async function tellNext(page: Page): Promise<string[]> {
  await page.locator('#next').press('Enter');
  return page.locator('#ladder li').allInnerTexts();
}

/** Resolves when no poll is under way any more. */
async function waitUntilQuiet(news: () => LabNews): Promise<void> {
  let quietSamples = 0;
  const countQuietSamples = () => {
    const { polls, samples } = news();
    return (quietSamples = polls.length === 0 ? quietSamples + samples.length : 0);
  };
  await expect.poll(countQuietSamples).toBeGreaterThan(3);
}

function pressOn(page: Page, id: string, key: string): Promise<void> {
  return page.locator(`#${id}`).press(key);
}

/** Whether there is the colour of lies in each lane. */
const DRAWS_LIES = `[...document.querySelectorAll('.strip canvas')].map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.some((red, i) => i % 4 === 0 && red > 180 && data[i + 1] < 60 && data[i + 3] > 150);
})`;

/** Totals that do not fit into their place, or with it into the page. */
const CUT_OFF_TOTALS = `(() => {
  const edge = document.querySelector('#lanes').getBoundingClientRect().right;
  return [...document.querySelectorAll('.totals > div')]
    .filter((total) => total.getBoundingClientRect().right > edge || total.scrollWidth > total.clientWidth)
    .map((total) => total.textContent);
})()`;

/** Texts, with their contrast, that have less than the 4.5:1 of WCAG AA. What is disabled may be faint. */
const FAINT_TEXTS = `(() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (rgb) => rgb.slice(0, 3)
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const [r, g, b, a = 1] = parse(getComputedStyle(element).backgroundColor);
    return a === 1 ? [r, g, b] : behind(element.parentElement);
  };
  const hasText = (element) => [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  return [...document.body.querySelectorAll('*')]
    .filter((each) => hasText(each) && each.checkVisibility() && !each.closest(':disabled'))
    .map((each) => {
      const pair = [parse(getComputedStyle(each).color), behind(each)].map(luminance);
      const [dark, light] = pair.toSorted((a, b) => a - b);
      return [each.textContent.trim(), (light + 0.05) / (dark + 0.05)];
    })
    .filter(([, contrast]) => contrast < 4.5);
})()`;
