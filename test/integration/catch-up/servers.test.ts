import { startReplicationCluster } from 'kysely-replica-fallback/testing';
import { describe } from 'vitest';
import { testCatchUp } from '../../support/catch-up-suite.ts';

describe('catch-up reads', () => {
  testCatchUp(() => startReplicationCluster());
});
