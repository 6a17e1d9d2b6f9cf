import { parseArgs } from 'node:util';
import { type ReplicationCluster, startReplicationCluster } from 'kysely-replica-fallback/testing';
import { benchAfter } from './after.ts';
import type { Extent } from './extent.ts';
import { benchHit } from './hit.ts';
import { benchLoad } from './load.ts';
import { benchLoopback } from './loopback.ts';
import { benchPolicies } from './policies.ts';
import { benchRecovery } from './recovery.ts';
import { benchScale } from './scale.ts';
import { benchSnapshotsSince } from './snapshots-since.ts';
import { benchSpills } from './spills.ts';
import { stamp } from './stamp.ts';

type Part = (cluster: ReplicationCluster, extent: Extent) => Promise<void>;

const PARTS: Readonly<Record<string, Part>> = {
  hit: (_cluster, extent) => benchHit(extent),
  loopback: benchLoopback,
  recovery: benchRecovery,
  after: benchAfter,
  policies: benchPolicies,
  spills: benchSpills,
  scale: benchScale,
  'snapshots-since': benchSnapshotsSince,
  load: benchLoad,
};

/** What takes as long as all others together, unless it is quick. */
const BY_NAME_ONLY = 'load';

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !Object.hasOwn(PARTS, name));
if (unknown !== undefined) {
  console.error(`Expected the parts to be of ${Object.keys(PARTS).join(', ')}, got ${unknown}.`);
  process.exit(2);
}

await using cluster = await startReplicationCluster();
console.log(stamp(cluster));
for (const [name, bench] of Object.entries(PARTS)) {
  const isDefault = positionals.length === 0 && (values.quick || name !== BY_NAME_ONLY);
  if (!isDefault && !positionals.includes(name)) continue;
  if (process.stderr.isTTY) process.stderr.write(`\nMeasuring: ${name}\n`);
  await bench(cluster, { isQuick: values.quick });
}
