import { scriptedPostgres } from './scripted-postgres.ts';

/** The first part of a position on the timeline that a scripted standby replays. */
export const TIMELINE = '0123456789ab';

let servers = 0;

/** A server that answers what `./postgres` asks of a standby, and `select 1`. */
export class ScriptedStandby {
  lsn = '3000148';
  timeline = TIMELINE;
  timelineNumber = 1;
  /** When it was started, which tells it from others. */
  server = `server-${++servers}`;
  version = '180004';
  isInRecovery = true;
  /** What it answers to `WAIT FOR LSN`. */
  arrival: string | Error = 'success';
  /** Called with each statement before it is answered: to throw, to wait, or to change something. */
  onStatement: (what: string) => void | Promise<void> = () => {};
  readonly db;
  readonly #asked: readonly string[];

  constructor() {
    const { db, asked } = scriptedPostgres<object>((sql) => this.#answer(sql));
    this.db = db;
    this.#asked = asked;
  }

  /** What was asked: `'replayed'` and `'timeline'` stand for the statements that ask for these. */
  get asked(): string[] {
    return this.#asked.map(nameOf);
  }

  async #answer(sql: string): Promise<readonly object[]> {
    const what = nameOf(sql);
    await this.onStatement(what);
    if (what.startsWith('WAIT FOR')) {
      if (this.arrival instanceof Error) throw this.arrival;
      return [{ status: this.arrival }];
    }
    if (what === 'select 1') return [{ one: 1 }];
    const replayed = `${this.lsn} ${this.server} ${this.version}`;
    if (what === 'replayed') return this.isInRecovery ? [{ text: replayed }] : [];
    if (what === 'timeline') {
      const whole = `${replayed} ${this.timeline} ${this.timelineNumber}`;
      return [{ text: this.isInRecovery ? whole : null }];
    }
    return [];
  }
}

function nameOf(sql: string): string {
  if (sql.includes('pg_control_checkpoint()')) return 'timeline';
  return sql.includes('pg_last_wal_replay_lsn()') ? 'replayed' : sql;
}
