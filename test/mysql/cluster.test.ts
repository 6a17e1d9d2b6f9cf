import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { BRANDS } from '../support/mysql/brands.ts';
import { startGtidCluster } from '../support/mysql/gtid-cluster.ts';

const TIMEOUT_MS = 120_000;

test.for(BRANDS)(
  'a cluster of $brand shows the lag that it is told to have, and leaves nothing behind',
  { timeout: TIMEOUT_MS },
  async ({ brand, obstacle }, { skip }) => {
    skip(obstacle !== undefined, obstacle);
    const cluster = await startGtidCluster(brand, { replicas: 2 });
    const { primary, replicas, directory } = cluster;
    const [replica, other] = replicas;
    const count = () => replica.ask('select count(*) from numbers');
    try {
      await primary.ask('create table numbers (id int primary key)');
      await Promise.all(replicas.map((each) => each.catchUp()));

      await replica.holdBack();
      await primary.ask('insert into numbers values (1)');
      await other?.catchUp();
      expect(await count()).toEqual([0]);
      await replica.goOn();
      await replica.catchUp();
      expect(await count()).toEqual([1]);

      await replica.setDelay(3_600);
      await primary.ask('insert into numbers values (2)');
      await other?.catchUp();
      expect(await count()).toEqual([1]);
      await replica.setDelay(0);
      await replica.catchUp();
      expect(await count()).toEqual([2]);

      await replica.kill();
      await expect(count()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await replica.start();
      await primary.ask('insert into numbers values (3)');
      await replica.catchUp();
      expect(await count()).toEqual([3]);

      await other?.promote();
      await other?.ask('insert into numbers values (4)');
      if (other) await replica.follow(other);
      await replica.catchUp();
      expect(await count()).toEqual([4]);
    } finally {
      await cluster[Symbol.asyncDispose]();
    }
    await expect(access(directory)).rejects.toMatchObject({ code: 'ENOENT' });
    const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'args=']);
    expect(stdout).not.toContain(directory);
  },
);
