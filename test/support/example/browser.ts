import { existsSync } from 'node:fs';
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type LaunchOptions,
  type Page,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { findPackagedChromium } from './packaged-chromium.ts';

/** The path of the browser to test with, or `packaged` for the one that npm installs. If it does not start, tests fail. */
const WANTED = process.env['KYSELY_REPLICA_FALLBACK_TEST_CHROMIUM'];
const INSTALLED = '/usr/bin/chromium';

/** What Chromium says of requests that it broke off because a container came or went on this machine. */
const NETWORK_CHANGED = 'net::ERR_NETWORK_CHANGED';
const MOST_ATTEMPTS = 5;

let browser: Browser | undefined;
const ends: (() => Promise<void>)[] = [];
beforeAll(async () => {
  browser = await startBrowser();
});
beforeEach(({ skip, task }) => {
  skip(
    browser === undefined,
    `${task.file.name} was left out, because no browser starts here. ` +
      'Install Chromium, or set KYSELY_REPLICA_FALLBACK_TEST_CHROMIUM to the path of one.',
  );
});
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});
afterAll(() => browser?.close());

async function startBrowser(): Promise<Browser | undefined> {
  if (WANTED === 'packaged') return launch(await findPackagedChromium());
  if (WANTED !== undefined) return launch({ executablePath: WANTED });
  if (existsSync(INSTALLED)) {
    const installed = await launch({ executablePath: INSTALLED }).catch(() => undefined);
    if (installed !== undefined) return installed;
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  return launch(await findPackagedChromium()).catch(() => undefined);
}

function launch(options: LaunchOptions): Promise<Browser> {
  return chromium.launch({
    // The sandbox needs a user who is not root, and memory that containers do not share.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    ...options,
  });
}

/** A page, and what a visitor would see in its console. */
export interface Visit {
  readonly page: Page;
  /** Errors and warnings of the console, and errors that nobody caught. */
  readonly complaints: readonly string[];
  /** What the page asked for, whether it got it or not. */
  readonly requested: readonly string[];
}

/** Opens a page in a profile of its own, until the test ends. */
export async function visit(url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  if (browser === undefined) throw new Error('There is no browser.');
  // By default it comes from the environment, and some browsers make a locale of it that `Intl` refuses.
  const context = await browser.newContext({ locale: 'en-US', ...options });
  ends.push(() => context.close());
  for (let attempt = 1; ; attempt += 1) {
    const page = await context.newPage();
    const complaints: string[] = [];
    const requested: string[] = [];
    let isCutOff = false;
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.text().includes(NETWORK_CHANGED)) isCutOff = true;
      else if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('request', (request) => requested.push(request.url()));
    try {
      expect((await page.goto(url))?.status()).toBe(200);
      if (!isCutOff || attempt === MOST_ATTEMPTS) return { page, complaints, requested };
    } catch (error) {
      if (!String(error).includes(NETWORK_CHANGED) || attempt === MOST_ATTEMPTS) throw error;
    }
    await page.close();
  }
}
