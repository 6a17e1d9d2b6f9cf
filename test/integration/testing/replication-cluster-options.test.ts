import { InvalidOptionError } from 'kysely-replica-fallback';
import {
  startReplicationCluster,
  type ReplicationClusterOptions,
} from 'kysely-replica-fallback/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';

describe('startReplicationCluster', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test.each<[ReplicationClusterOptions, string]>([
    [{ replicas: 0 }, 'Expected `replicas` to be an integer from 1 to 8, got 0.'],
    [{ replicas: 9 }, 'Expected `replicas` to be an integer from 1 to 8, got 9.'],
    [{ replicas: 1.5 }, 'Expected `replicas` to be an integer from 1 to 8, got 1.5.'],
    [
      { runtime: 'docker' as 'auto' },
      "Expected `runtime` to be 'auto', 'embedded' or 'testcontainers', got \"docker\".",
    ],
    [{ image: '' }, 'Expected `image` to be a string that is not empty, got "".'],
  ])('refuses %o', async (options, message) => {
    const error = await startReplicationCluster(options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(error).toHaveProperty('message', message);
  });

  test('takes the runtime from the environment when the option is absent', async () => {
    vi.stubEnv('KYSELY_REPLICA_FALLBACK_TEST_RUNTIME', 'podman');
    await expect(startReplicationCluster()).rejects.toThrow(
      'Expected `KYSELY_REPLICA_FALLBACK_TEST_RUNTIME` to be',
    );
    await using cluster = await startReplicationCluster({ runtime: 'embedded' });
    expect(cluster.runtime).toBe('embedded');
  });

  test('takes the embedded binaries, and says why, when there is no way to the image', async () => {
    await using cluster = await startReplicationCluster({
      runtime: 'auto',
      image: 'localhost:1/no-such-image:none',
    });
    expect(cluster.description).toMatch(
      /, embedded binaries \((no Docker engine answered|no image localhost:1\/no-such-image:none, and .+)\)$/,
    );
  });
});
