import { cpus } from 'node:os';
import type { ReplicationCluster } from 'kysely-replica-fallback/testing';

/** On what it is measured, and when. */
export function stamp({ description }: ReplicationCluster): string {
  const [processor] = cpus();
  const servers = description.replace(/ \(.*\)$/, '');
  const machine = `${cpus().length} × ${processor?.model}`;
  return `${servers}. Node.js ${process.version} on ${machine}, ${new Date().toISOString().slice(0, 10)}`;
}
