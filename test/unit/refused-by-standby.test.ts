import { refusedByStandby, replicaUnavailable } from 'kysely-replica-fallback/postgres';
import { expect, test } from 'vitest';

test.for([
  { code: '25006', message: 'cannot execute SELECT FOR UPDATE in a read-only transaction' },
  { code: '0A000', message: 'cannot use serializable mode in a hot standby' },
  {
    code: '0A000',
    message: 'in einer anderen Sprache',
    routine: 'GetSerializableTransactionSnapshot',
  },
  { code: '0A000', message: 'cannot access temporary or unlogged relations during recovery' },
  { code: '0A000', message: 'in einer anderen Sprache', routine: 'get_relation_info' },
  { code: '55000', message: 'recovery is in progress' },
  { code: '55000', message: 'in einer anderen Sprache', routine: 'pg_current_wal_lsn' },
])('takes %o for what a standby refuses, and not for unavailability', (said) => {
  const error = Object.assign(new Error(), said);
  expect(refusedByStandby(error)).toBe(true);
  expect(refusedByStandby(new Error('wrapped', { cause: error }))).toBe(true);
  expect(replicaUnavailable(error)).toBe(false);
});

test.for([
  {
    code: '0A000',
    message: 'cached plan must not change result type',
    routine: 'RevalidateCachedQuery',
  },
  { code: '0A000', message: 'cross-database references are not implemented: "a.b.c"' },
  { code: '0A000', message: 'The user wrote: cannot use serializable mode in a hot standby' },
  { code: '0A000', message: 'cannot use serializable mode in a hot standby, as the user wrote' },
  { code: '0A000', message: '…', routine: 'forget_relation_info' },
  { code: '0A000', message: '…', routine: 'get_relation_info_hook' },
  { code: '55000', message: 'currval of sequence "s" is not yet defined', routine: 'currval_oid' },
  { code: '25001', message: 'there is already a transaction in progress' },
  { code: 'P0001', message: 'recovery is in progress' },
  { code: 'P0001', message: 'cannot use serializable mode in a hot standby' },
  { code: '55000', message: '…', routine: 'get_relation_info' },
])('does not take %o for what a standby refuses', (said) => {
  expect(refusedByStandby(Object.assign(new Error(), said))).toBe(false);
});
