import { describe } from 'vitest';
import { testCatchUp } from '../../support/catch-up-suite.ts';
import { openSharedCluster } from '../../support/shared-cluster.ts';

describe('catch-up reads', () => {
  testCatchUp(openSharedCluster);
});
