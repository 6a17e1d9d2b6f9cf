import type { SnapshotKey } from '../service/snapshot-writer.ts';

/** What is asked in all lanes at once. */
export interface Question {
  /** Counts up. */
  readonly id: number;
  readonly key: SnapshotKey;
  /** Whether it is about a snapshot that exists nowhere. */
  readonly isBogus: boolean;
  /** Whether who asks is who has written last. */
  readonly isOwn: boolean;
}
