import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, expect } from 'vitest';

const PATH = process.env['KYSELY_REPLICA_FALLBACK_TEST_CHROMIUM'] ?? '/usr/bin/chromium';

/** Why there is no browser to test with, or `undefined` when there is one. */
export const browserObstacle: string | undefined = existsSync(PATH)
  ? undefined
  : `there is no ${PATH}: install Chromium, or set KYSELY_REPLICA_FALLBACK_TEST_CHROMIUM to the path of one`;

/** What Chromium says of requests that it broke off because a container came or went on this machine. */
const NETWORK_CHANGED = 'net::ERR_NETWORK_CHANGED';
const MOST_ATTEMPTS = 5;

let browser: Promise<Browser> | undefined;
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});
afterAll(async () => {
  await (await browser)?.close();
});

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
  browser ??= chromium.launch({
    executablePath: PATH,
    // The sandbox needs a user who is not root, and memory that containers do not share.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  const context = await (await browser).newContext(options);
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
