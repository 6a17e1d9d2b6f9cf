import { type Kysely, sql } from 'kysely';
import type { ReadReport } from 'kysely-replica-fallback';
import { type CausalSession, walPosition } from 'kysely-replica-fallback/postgres';
import type { OrdersDatabase } from '../orders.ts';
import { findVersion } from '../version-readers.ts';
import type { Operation } from './operation.ts';

/** A session, or what is tested in its place. */
export type AnySession = Omit<CausalSession<Kysely<OrdersDatabase>>, 'byKey'>;

/** What all sessions of a history have in common. */
export interface Recording {
  readonly primary: Kysely<OrdersDatabase>;
  /** Opens a session where an earlier part of it was. */
  readonly open: (position: string | undefined) => AnySession;
  /** Hears of each operation when it has ended. */
  readonly record: (operation: Operation) => void;
  readonly onOutcome: (report: ReadReport) => void;
}

/** A session that reads and writes orders, and tells of each time when it began and ended, and what came of it. */
export class RecordedSession {
  readonly #name: string;
  readonly #recording: Recording;
  #session: AnySession;

  constructor(name: string, recording: Recording) {
    this.#name = name;
    this.#recording = recording;
    this.#session = recording.open(undefined);
  }

  /** @param signal - gives it up */
  read(key: string, signal?: AbortSignal): Promise<void> {
    return this.#read({ key, kind: 'read' }, signal);
  }

  /** Reads what was committed before. */
  readNow(key: string): Promise<void> {
    return this.#read({ key, kind: 'read', after: 'now' });
  }

  /** @param signal - gives it up. Nobody knows then whether it is made. */
  write(key: string, signal?: AbortSignal): Promise<void> {
    return this.#write(key, () => undefined, signal);
  }

  /** Tells the session where the write is, so that it does not have to ask. */
  writeAndTell(key: string): Promise<void> {
    return this.#write(key, walPosition);
  }

  /** Goes on in another process. */
  async handOn(): Promise<void> {
    this.#session = this.#recording.open(await this.#session.position());
  }

  #read(told: Told, signal?: AbortSignal): Promise<void> {
    const { key, after } = told;
    const { onOutcome } = this.#recording;
    const query = (db: Kysely<OrdersDatabase>) => findVersion(db, key);
    return this.#record(told, signal, async () => {
      const seen = await this.#session.read(query, { after, signal, onOutcome });
      return { version: seen?.version ?? 0, servedBy: seen?.standby ?? PRIMARY };
    });
  }

  #write(
    key: string,
    findPosition: (primary: Kysely<OrdersDatabase>) => Promise<string> | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    const { primary } = this.#recording;
    return this.#record({ key, kind: 'write' }, signal, async () => {
      const { version } = await primary
        .updateTable('orders')
        .set({ version: sql`version + 1` })
        .where('id', '=', key)
        .returning('version')
        .executeTakeFirstOrThrow({ signal });
      this.#session.wrote(await findPosition(primary));
      return { version, servedBy: PRIMARY };
    });
  }

  async #record(
    told: Told,
    signal: AbortSignal | undefined,
    run: () => Promise<CameOut>,
  ): Promise<void> {
    const start = performance.now();
    const cameOut = await run().catch((error: unknown): CameOut => {
      if (signal?.aborted && error === signal.reason) return GIVEN_UP;
      throw error;
    });
    const end = performance.now();
    this.#recording.record({ session: this.#name, ...told, ...cameOut, start, end });
  }
}

type Told = Pick<Operation, 'key' | 'kind' | 'after'>;
type CameOut = Pick<Operation, 'version' | 'servedBy'>;

/** Who gave a version that no standby gave. */
export const PRIMARY = 'primary';

const GIVEN_UP: CameOut = { version: undefined, servedBy: undefined };
