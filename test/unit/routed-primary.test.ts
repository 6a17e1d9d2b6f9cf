import { PrismaPg } from '@prisma/adapter-pg';
import { drizzle } from 'drizzle-orm/node-postgres';
import { drizzle as drizzleOnMysql } from 'drizzle-orm/mysql2';
import { withReplicas as withMysqlReplicas } from 'drizzle-orm/mysql-core';
import { withReplicas } from 'drizzle-orm/pg-core';
import {
  createReplicaFallback,
  InvalidOptionError,
  withReplicaFallback,
  withReplicaFallbackByKey,
} from 'kysely-replica-fallback';
import { createPool } from 'mysql2/promise';
import { Pool } from 'pg';
import { DataSource, EntitySchema } from 'typeorm';
import { describe, expect, test } from 'vitest';
import { PrismaClient } from '../../examples/other-clients/prisma/client/client.ts';

// Nothing here connects.
const url = 'postgres://localhost:1/nowhere';
const onPg = () => drizzle({ client: new Pool({ connectionString: url }) });
const onMysql = () => drizzleOnMysql({ client: createPool('mysql://localhost:1/nowhere') });
const inDrizzle = withReplicas(onPg(), [onPg()]);

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
/** What Prisma's read-replicas extension adds: https://github.com/prisma/extension-read-replicas */
const extended = prisma.$extends({ client: { $primary: () => prisma, $replica: () => prisma } });

const Order = new EntitySchema<{ id: string }>({
  name: 'orders',
  columns: { id: { type: 'text', primary: true } },
});
const source = (slaves: { url: string }[], defaultMode?: 'master' | 'slave') =>
  new DataSource({
    type: 'postgres',
    entities: [Order],
    replication: { master: { url }, slaves, ...(defaultMode !== undefined && { defaultMode }) },
  });
const replicated = source([{ url }]);
const plain = new DataSource({ type: 'postgres', url, entities: [Order] });

const routed: [string, object][] = [
  ["Drizzle's `withReplicas`", inDrizzle],
  ['the same for MySQL', withMysqlReplicas(onMysql(), [onMysql()])],
  ['a client with Prisma’s read-replicas extension', extended],
  ['such a client that was extended once more', extended.$extends({ name: 'other' })],
  ['a TypeORM data source with replication', replicated],
  ['its manager', replicated.manager],
  ['a repository', replicated.manager.getRepository(Order)],
  ['a query runner for its replicas', replicated.createQueryRunner('slave')],
  ['the manager of that', replicated.createQueryRunner('slave').manager],
];

describe.each(routed)('%s', (_name, primary) => {
  const replica = {};

  test('is no primary, in a read', async () => {
    const read = withReplicaFallback<object, number>(async () => 1, { primary, replica });

    const error: unknown = await read.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toHaveProperty('option', 'primary');
    expect(Object(error).given).toBe(primary);
  });

  test('is no primary among the defaults, in an override, by key, nor where nothing else is asked', async () => {
    const read = createReplicaFallback<object>({ primary: {}, replica });
    const reads = [
      read(async () => 1, { primary }),
      withReplicaFallbackByKey([1], async () => [1], { primary, replica, keyOf: (row) => row }),
      withReplicaFallback<object, number>(async () => 1, { primary }),
      withReplicaFallback<object, number>(async () => 1, { primary, replica, enabled: false }),
    ];

    for (const one of reads) await expect(one).rejects.toMatchObject({ option: 'primary' });
    expect(() => createReplicaFallback<object>({ primary, replica })).toThrow(InvalidOptionError);
  });

  test('may be a replica', async () => {
    const options = { primary: {}, replica: primary };

    expect(await withReplicaFallback<object, number>(async () => 1, options)).toBe(1);
  });
});

test.for<[string, object]>([
  ["Drizzle's `$primary`", inDrizzle.$primary],
  ['what `$primary()` gives', extended.$primary()],
  ['a Prisma client', prisma],
  ['a TypeORM data source', plain],
  ['its manager', plain.manager],
  ['a repository', plain.manager.getRepository(Order)],
  ['a query runner for the primary', replicated.createQueryRunner('master')],
  ['the manager of that', replicated.createQueryRunner('master').manager],
  ['a data source that reads from the primary by default', source([{ url }], 'master')],
  ['a data source with replication, and without replicas', source([])],
])('%s may be the primary', async ([, primary]) => {
  expect(await withReplicaFallback<object, number>(async () => 1, { primary })).toBe(1);
});

test('says what to pass instead', () => {
  expect(() => createReplicaFallback<object>({ primary: inDrizzle })).toThrow(
    'Expected `primary` to be a client that reads from the primary, such as its `$primary`, got one that reads from replicas.',
  );
  expect(() => createReplicaFallback<object>({ primary: replicated.manager })).toThrow(
    'Expected `primary` to be a client that reads from the primary, such as a data source without `replication`, got one that reads from replicas.',
  );
});
