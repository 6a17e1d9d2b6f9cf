import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { binariesOf, manifest, newestBeta, SDK, versionsOf } from './claims.ts';
import { compile, compilers, MODULES, STRICT } from './compile.ts';
import { type Consumer, installWith } from './managers.ts';
import { PROMISES, READS, runReads } from './reads.ts';

/** Between the lowest and the highest, the newest without what later ones can do. */
const older = (await versionsOf('kysely', '0.28')).at(-1);
const highest = (await versionsOf('kysely', manifest.peerDependencies.kysely)).at(-1);
const beta = await newestBeta('kysely', `${highest}`);

describe.each([
  { version: older, standing: 'claimed' },
  { version: beta, standing: 'not claimed' },
])('kysely $version, which is $standing', ({ version, standing }) => {
  let consumer: Consumer;
  beforeAll(async () => {
    if (version === undefined) return;
    const others = ['pg', '@opentelemetry/api', SDK.highest, await binariesOf(18)];
    const packages = [`kysely@${version}`, ...others, ...compilers(['7'])];
    consumer = await installWith('npm', ['--legacy-peer-deps', ...packages]);
    await writeFile(join(consumer.project, 'reads.ts'), READS);
  }, 600_000);
  afterAll(() => consumer?.[Symbol.asyncDispose]());

  test('reads', { timeout: 300_000 }, async (context) => {
    const failure = await failureOf(async () => {
      expect(await runReads(consumer)).toEqual(PROMISES);
    });
    await tell('read', failure, context);
    expect(failure).toBeUndefined();
  });

  test('compiles', { timeout: 300_000 }, async (context) => {
    const failure = await failureOf(async () => {
      const [{ module }] = MODULES;
      const errors = await compile(consumer, '7', ...STRICT, ...module, 'reads.ts');
      if (errors.length > 0) throw new Error(errors.join('\n'));
    });
    await tell('compile', failure, context);
    expect(failure).toBeUndefined();
  });

  /** What fails with a version that is not claimed is told, and fails nothing. */
  async function tell(what: string, failure: unknown, { annotate, skip }: TestContext) {
    if (standing === 'claimed') return;
    skip(version === undefined, `There is no beta of kysely after ${highest}.`);
    const subject = `kysely ${version} is not claimed. With it, the package`;
    skip(failure !== undefined, `${subject} does not ${what}: ${String(failure)}`);
    await annotate(`${subject} does ${what}.`);
  }
});

function failureOf(attempt: () => Promise<void>): Promise<unknown> {
  return attempt().catch((error: unknown) => error);
}
