import { type ReplicaFallbackOptions, thrown } from 'kysely-replica-fallback';
import type { Kysely } from 'kysely';
import { replicaUnavailable, walCatchUp } from 'kysely-replica-fallback/postgres';
import { SnapshotNotFoundError, type SnapshotTables } from 'kysely-replica-fallback/snapshots';
import type { Databases } from '../service/databases.ts';
import type { LaneName } from './lab-poll.ts';
import type { Question } from './question.ts';
import type { LabSettings } from './settings.ts';

/** A lane, as a visitor sees it. */
export interface LaneOnShow {
  readonly name: LaneName;
  readonly title: string;
  /** What it does, in a line. */
  readonly says: string;
}

/** One way to read from a replica. All of them are asked the same questions. */
export interface Lane extends LaneOnShow {
  readonly options: (
    databases: Pick<Databases, 'primary' | 'replica'>,
    question: Question,
    settings: Pick<LabSettings, 'retryMinMs' | 'retryMaxMs'>,
  ) => ReplicaFallbackOptions<Kysely<SnapshotTables>, void>;
}

const CATCH_UP = walCatchUp();

const ladder: Lane['options'] = ({ primary, replica }, _, { retryMinMs, retryMaxMs }) => ({
  primary,
  replica,
  isMiss: thrown(SnapshotNotFoundError),
  isUnavailable: replicaUnavailable,
  retryMs: { min: retryMinMs, max: retryMaxMs },
});

export const LANES: readonly Lane[] = [
  {
    name: 'replica',
    title: 'Replica only',
    says: 'Its word is final.',
    options: ({ replica }) => ({ primary: replica }), // a bypass: the only database that is asked
  },
  {
    name: 'primary',
    title: 'Primary only',
    says: 'The replica is idle.',
    options: ({ primary }) => ({ primary }),
  },
  {
    name: 'sticky',
    title: 'Sticky primary',
    says: 'Who has just written reads the primary, and all others the replica.',
    options: ({ primary, replica }, { isOwn }) => ({ primary: isOwn ? primary : replica }),
  },
  {
    name: 'blind',
    title: 'One blind retry',
    says: 'A random wait, the replica again, then the primary.',
    options: ladder,
  },
  {
    name: 'catch-up',
    title: 'Catch-up',
    says: 'Asks the primary how far it is, and waits until the replica is there, if it can be in time.',
    options: (...question) => ({ ...ladder(...question), catchUp: CATCH_UP }),
  },
];
