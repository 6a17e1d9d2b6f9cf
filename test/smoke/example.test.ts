import { createSnapshotTables, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import { expect, test } from 'vitest';
import { visit } from '../support/example/browser.ts';
import { startExample } from '../support/example/example-process.ts';
import { outcomeOf, startExampleService } from '../support/example/example-service.ts';
import { startLagLab } from '../support/example/lag-lab.ts';
import { replicatedDatabase } from '../support/replicated-database.ts';

/** That it works at all. How is for `npm run test:all` to tell. */

const database = await replicatedDatabase<SnapshotTables>(createSnapshotTables);
const { primary, replicas } = database.cluster;

test("the example's service answers what came after a snapshot, on a standby that has caught up", async () => {
  const service = await startExampleService({
    primary: primary.connectionString,
    replica: replicas[0].connectionString,
  });
  const first = await service.createRun();
  const second = await service.append(first.runId);
  await database.catchUp();

  const answer = await service.since(first);

  expect(answer.body).toMatchObject({ snapshots: [{ id: second.snapshotId }], hasMore: false });
  expect(outcomeOf(answer)).toBe('replica');
});

test('the demonstration of `npm start` ends well', { timeout: 120_000 }, async () => {
  const example = startExample('snapshots-service/main.ts', { args: ['--once'] });

  expect(await example.ended).toBe(0);
  expect(example.output.stderr).toBe('');
  expect(example.output.stdout).toMatch(/^All 60 asked about a snapshot that exists\.\n0 failed/m);
});

test("the lag lab's page opens without a complaint, and shows polls that the replica serves", async () => {
  const { url } = await startLagLab(database.cluster);
  const { page, complaints } = await visit(url);

  await page.getByText('Live', { exact: true }).waitFor();
  await page.getByText(/The replica had the row/).waitFor();

  expect(complaints).toEqual([]);
});
