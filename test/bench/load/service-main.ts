import { openDatabases } from '../../../examples/snapshots-service/service/databases.ts';
import { listen } from '../../../examples/snapshots-service/service/listen.ts';
import { createLog } from '../../../examples/snapshots-service/service/log.ts';
import { createService } from '../../../examples/snapshots-service/service/service.ts';
import { readHeapBytes } from '../../support/heap.ts';

// The process that `startServiceProcess` starts. It ends when its parent does.

const { urls, enabled } = JSON.parse(process.argv[2] ?? '');
// What it logs about a restart of the standby, a line for each read, is written and thrown away.
const log = createLog('warn', { write: () => {} });
const databases = openDatabases(urls, log);
const retryMs = { min: 50, max: 200 };
const service = await listen(createService(databases, { enabled, retryMs, catchUp: true }, log), 0);

process.on('message', async () => process.send?.(await readHeapBytes()));
process.on('disconnect', async () => {
  await service.close();
  await databases.close();
});
process.send?.(service.url);
