import { PrismaPg } from '@prisma/adapter-pg';
import { anyOf, createReplicaFallback, noRow, thrown } from 'kysely-replica-fallback';
import { replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { Prisma, PrismaClient } from './prisma/client/client.ts';
import { startServers } from './servers.ts';

const servers = await startServers();

function connect(connectionString: string): PrismaClient {
  return new PrismaClient({ adapter: new PrismaPg({ connectionString }) });
}
const primary = connect(servers.primaryUrl);
const replica = connect(servers.replicaUrl);

function isNotFound(error: unknown): boolean {
  return error instanceof Prisma.PrismaClientKnownRequestError && error.code === 'P2025';
}

const read = createReplicaFallback({
  primary,
  replica,
  isMiss: anyOf(noRow, thrown(isNotFound)),
  isUnavailable: replicaUnavailable,
  onOutcome: ({ outcome }) => console.log(outcome),
});

const order = await read((db) => db.order.findUniqueOrThrow({ where: { id: 'new' } }));
console.log(order.status);

await primary.$transaction(async (transaction) => {
  await transaction.order.create({ data: { id: 'own', status: 'draft', version: 1 } });
  const own = await read((db) => db.order.findUnique({ where: { id: 'own' } }), { transaction });
  console.log(own?.status);
});

await Promise.all([primary.$disconnect(), replica.$disconnect()]);
await servers.stop();
