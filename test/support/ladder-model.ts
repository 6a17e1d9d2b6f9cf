import type { CatchUpReport, Outcome, ReadReport, RecoveryReport } from 'kysely-replica-fallback';

/** How a query answers. `down` is what `isUnavailable` knows. */
export interface Answer {
  readonly kind: 'row' | 'nothing' | 'no result' | 'down' | 'error' | 'not an error' | 'abort';
  /** What it returns or throws. */
  readonly given: unknown;
  /** How many milliseconds it takes on a replica. */
  readonly takesMs: number;
}

/** A few reads that begin at the same time, and all that happens to them. Times are in milliseconds from then on. */
export interface Scenario {
  readonly replicas: readonly Replica[];
  /** When the signal of each read aborts: `0` is before it begins. */
  readonly aborts: readonly number[];
  /** What a read gets from replicas, in this order, whichever it asks. */
  readonly answers: readonly Answer[];
  /** What the primary gives to each read, or to the first, second and third query that they share. */
  readonly primaryAnswers: readonly Answer[];
  /** What `pickReplica` picks: nothing, the last one, or the last one at first, and then it throws. */
  readonly picks: 'none' | 'last' | 'throws';
  readonly isBypassed: boolean;
  /** `undefined only` calls no error a miss. `throws` throws, where the default one calls an answer a miss. */
  readonly isMiss: 'default' | 'undefined only' | 'throws';
  readonly knowsDown: boolean;
  readonly replicaTimeoutMs: number | undefined;
  /** The waits before retries: with more than one, those of a policy. */
  readonly delays: readonly number[];
  /** Whether the budget has a spill left. `undefined`: there is no budget. */
  readonly hasSpill: boolean | undefined;
  readonly isCoalesced: boolean;
  readonly catchUp: Positions | undefined;
}

interface Replica {
  /** When it has all that the primary has. Until then it has `OLD`. */
  readonly catchesUpAt: number;
  /** Whether it tells how far it has come. */
  readonly tells: boolean;
}

interface Positions {
  /** What the primary does when it is asked for its position. */
  readonly primary: 'tells' | 'fails' | 'hangs';
  readonly after: number | 'now' | undefined;
}

/** Positions: what every replica has, what the primary has, and one that it does not have yet. */
export const OLD = 1;
export const NEWEST = 3;
export const BEYOND = 4;

/** How long a query takes on the primary: longer than all waits, so that reads which spill can share it. */
export const PRIMARY_MS = 100_000;

/** How long the primary has to give its position to a read of which it is not known how long it can wait. */
const POSITION_MS = 200;

/** What the package may choose as it likes: whom each read asked, and which reads asked the primary. */
export interface Choices {
  readonly asked: readonly (readonly number[])[];
  readonly starters: readonly number[];
}

/** What the caller gets: what a query gave, or an error of the package or of the signal or a function of the caller. */
export type Ending =
  | Answer
  | 'reason'
  | 'rejected'
  | 'timeout'
  | 'behind'
  | 'classifier'
  | 'picker';

/** What comes of a read. */
export interface Prediction {
  /** The attempts on replicas: on which one, or on one of which, and as what the query ran there, if it did. */
  readonly attempts: readonly { readonly replica: number | string; readonly as: string }[];
  readonly primaryQueries: number;
  readonly ending: Ending;
  readonly replicaError: Ending | undefined;
  /** Without errors. A bypass has none. */
  readonly report: Omit<ReadReport, 'operation' | 'error' | 'replicaError'> | undefined;
}

type Verdict = 'answer' | 'miss' | 'failure' | 'error' | 'rejected';

/** What the package promises of reads, in plain steps, which know everything and ask nobody. */
export function predict(scenario: Scenario, choices: Choices): Prediction[] {
  const reads = scenario.aborts.map((_, number) => new ModelRead(scenario, choices, number));
  for (const read of reads) read.askReplicas();
  let spilling = reads.filter((read) => read.spills);
  if (scenario.isBypassed || !scenario.isCoalesced) {
    for (const read of spilling) read.askPrimary(0);
    spilling = [];
  }
  // One asks, and the others get its answer, unless that is an abort: it was not theirs, so they ask again.
  for (let query = 0; spilling.length > 0; query++) {
    const first = spilling.find(({ number }) => number === choices.starters[query]) ?? spilling[0];
    for (const read of spilling) read.askPrimary(query, read !== first);
    spilling = spilling.filter((read) => read !== first && read.heardAbort);
  }
  return reads.map((read) => read.tell());
}

/** One read, with its own clock. */
class ModelRead {
  readonly number: number;
  spills = false;
  readonly #told: Scenario;
  readonly #asked: readonly number[];
  readonly #abortsAt: number;
  #now = 0;
  readonly #attempts: Prediction['attempts'][number][] = [];
  #answers = 0;
  #heardOfPrimary = 0;
  #primaryQueries = 0;
  /** Those that were not asked, those that have not failed, and the one that was asked last. */
  #fresh: readonly number[];
  #sound: readonly number[];
  #current = -1;
  /** How new the answer of a replica has to be. A miss is final if the primary had this after the read began. */
  #floor: { readonly position: number; readonly isFinal: boolean } | undefined;
  #last: { readonly verdict: Verdict; readonly ending: Ending } = ABORTED;
  /** The last miss or failure that has to be followed by something. */
  #unanswered: unknown;
  #source: ReadReport['failedDuring'];
  #misses = 0;
  #failures = 0;
  #replicaError: Ending | undefined;
  #recovery: { readonly cause: RecoveryReport['cause']; readonly since: number } | undefined;
  #catchUp: CatchUpReport | undefined;
  #isCoalesced = false;

  constructor(scenario: Scenario, { asked }: Choices, number: number) {
    this.number = number;
    this.#told = scenario;
    this.#asked = asked[number] ?? [];
    this.#abortsAt = scenario.aborts[number] ?? Infinity;
    this.#fresh = [...scenario.replicas.keys()];
    this.#sound = this.#fresh;
  }

  askReplicas(): void {
    const { isBypassed, catchUp, hasSpill } = this.#told;
    this.#untilAborted(() => {
      this.#pass(0);
      if (isBypassed) return;
      if (catchUp?.after === undefined) this.#ask('replica', this.#first);
      else this.#askForNewerThan(catchUp.after);
      this.#failOver();
      const since = this.#now;
      if (catchUp !== undefined && this.#hasMissed && this.#windowMs > 0) {
        if (this.#waitForReplicas() === 'informed') return;
        this.#failOver();
      } else if (catchUp !== undefined) return;
      let spentMs = this.#now - since;
      for (const [index, delayMs] of this.#told.delays.entries()) {
        if (!this.#hasMissed) return;
        const isSpent = spentMs >= delayMs;
        if (isSpent && index < this.#told.delays.length - 1) {
          spentMs -= delayMs;
          continue;
        }
        this.#pass(isSpent ? 0 : delayMs - spentMs);
        spentMs = 0;
        this.#ask('replica_retry', this.#next);
        this.#failOver();
      }
    });
    this.spills = isBypassed ? this.#abortsAt > 0 : this.#last === this.#unanswered;
    if (!this.spills || isBypassed || hasSpill !== false) return;
    this.spills = false;
    this.#last = { verdict: 'rejected', ending: 'rejected' };
  }

  #askForNewerThan(after: number | 'now'): void {
    const { delays } = this.#told;
    // Those of a policy are not known yet.
    const timeoutMs = (delays.length === 1 && delays[0]) || POSITION_MS;
    this.#floor = this.#given ?? this.#findNow(timeoutMs);
    if (this.#floor === undefined) return this.#goOn('miss', 'behind');
    const since = this.#now;
    this.#ask('replica', this.#first);
    if (after === 'now' || this.#last === ABORTED) return;
    // Meanwhile, the primary is asked whether it has that position.
    const now = this.#findNow(Math.max(0, since + timeoutMs / 2 - this.#now));
    if (now === undefined || now.position >= after) return;
    this.#floor = now;
    this.#goOn('miss', 'behind');
  }

  /** A failure goes to another replica at once, while there is one. */
  #failOver(): void {
    while (this.#last.verdict === 'failure' && this.#fresh.length > 0) {
      this.#ask('replica_retry', this.#next);
    }
  }

  /** `informed` if it is known how far the servers are, or if no answer counts as long as it is not. Else it has to guess. */
  #waitForReplicas(): 'informed' | 'blind' {
    const since = this.#now;
    const deadline = since + this.#windowMs;
    const isBehind = this.#last.ending === 'behind';
    let attemptsMs = 0;
    const ask = (among: readonly number[] | undefined): void => {
      const askedAt = this.#now;
      this.#ask('replica_retry', among);
      attemptsMs += this.#now - askedAt;
    };
    const conclude = (end: CatchUpReport['end']): 'informed' | 'blind' => {
      const waitMs = this.#now - since - attemptsMs;
      this.#catchUp = { waitedFor: isBehind ? 'after' : 'existence', end, waitMs };
      if (end === 'unknown') this.#floor = this.#given;
      return end !== 'unknown' || isBehind ? 'informed' : 'blind';
    };

    try {
      if (isBehind && this.#floor === undefined) return conclude('unknown');
      let floor = isBehind ? this.#floor : this.#findNow(this.#windowMs);
      if (floor === undefined) {
        const how = conclude('unknown');
        if (how === 'informed' || this.#now < deadline) return how;
        this.#ask('replica_retry', this.#next);
        return 'informed';
      }
      for (;;) {
        this.#floor = floor;
        const arrived = this.#waitFor(floor.position, deadline);
        if (typeof arrived === 'string') return conclude(arrived);
        ask(arrived);
        const hasFailed = this.#last.verdict === 'failure';
        if (hasFailed ? this.#sound.length === 0 : !this.#hasMissed || floor.isFinal) {
          return conclude('caught_up');
        }
        // It has what was asked for, but not the row, which may be newer.
        if (!hasFailed) floor = this.#findNow(Math.max(0, deadline - this.#now));
        if (floor === undefined) return conclude('unknown');
        if (this.#now >= deadline) return conclude('late');
      }
    } catch (error) {
      if (error === ABORTED) conclude('aborted');
      throw error;
    }
  }

  /** The replicas that have a position first, or why none has it in time. */
  #waitFor(position: number, deadline: number): readonly number[] | 'late' | 'unknown' {
    const telling = this.#sound.filter((replica) => this.#told.replicas[replica]?.tells);
    if (telling.length === 0) return 'unknown';
    const arrivals = telling.map((replica) =>
      Math.max(this.#now, this.#arrival(replica, position)),
    );
    const first = Math.min(...arrivals);
    this.#pass(Math.min(first, deadline) - this.#now);
    return first < deadline ? telling.filter((_, index) => arrivals[index] === first) : 'late';
  }

  #arrival(replica: number, position: number): number {
    if (position === OLD) return 0;
    return position === NEWEST ? (this.#told.replicas[replica]?.catchesUpAt ?? Infinity) : Infinity;
  }

  #findNow(timeoutMs: number): { position: number; isFinal: true } | undefined {
    const how = this.#told.catchUp?.primary;
    if (how === 'hangs') this.#pass(timeoutMs);
    return how === 'tells' ? { position: NEWEST, isFinal: true } : undefined;
  }

  get #given(): { position: number; isFinal: false } | undefined {
    const after = this.#told.catchUp?.after;
    return typeof after === 'number' ? { position: after, isFinal: false } : undefined;
  }

  get #windowMs(): number {
    return this.#told.delays.reduce((sum, delayMs) => sum + delayMs, 0);
  }

  /** The one that is picked first, or all if none is picked. */
  get #first(): readonly number[] {
    return this.#told.picks === 'none' ? this.#fresh : this.#fresh.slice(-1);
  }

  /** Another replica while there is one, or else the same one again. `undefined` if `pickReplica` throws. */
  get #next(): readonly number[] | undefined {
    if (this.#fresh.length === 0) return [this.#current];
    return this.#told.picks === 'throws' ? undefined : this.#first;
  }

  get #hasMissed(): boolean {
    return this.#last.verdict === 'miss' && this.#last === this.#unanswered;
  }

  #ask(source: 'replica' | 'replica_retry', among: readonly number[] | undefined): void {
    if (among === undefined) {
      this.#last = { verdict: 'error', ending: 'picker' };
      return;
    }
    const replica = this.#asked[this.#attempts.length] ?? -1;
    const named = among.includes(replica) ? replica : `one of ${among.join(', ')}`;
    this.#source = source;
    this.#current = replica;
    this.#fresh = this.#fresh.filter((other) => other !== replica);
    if (!this.#isNewEnough(replica)) {
      this.#attempts.push({ replica: named, as: 'behind' });
      this.#misses++;
      return this.#goOn('miss', 'behind');
    }
    this.#attempts.push({ replica: named, as: source });
    const { answers, replicaTimeoutMs = Infinity } = this.#told;
    const answer = answers[this.#answers++ % answers.length]!;
    this.#untilAborted(() => {
      this.#pass(Math.min(answer.takesMs, replicaTimeoutMs));
      if (answer.takesMs > replicaTimeoutMs) this.#last = { verdict: 'failure', ending: 'timeout' };
      else this.#judge(answer, source);
    });
    const { verdict, ending } = this.#last;
    if (verdict === 'miss') this.#misses++;
    if (verdict === 'failure') {
      if (++this.#failures === 1) this.#replicaError = ending;
      this.#sound = this.#sound.filter((other) => other !== replica);
    }
    const isFinal = verdict === 'miss' && this.#floor?.isFinal === true;
    if (verdict === 'failure' || (verdict === 'miss' && !isFinal)) this.#goOn(verdict, ending);
  }

  #isNewEnough(replica: number): boolean {
    if (this.#floor === undefined) return true;
    const tells = this.#told.replicas[replica]?.tells === true;
    return tells && this.#arrival(replica, this.#floor.position) <= this.#now;
  }

  #goOn(verdict: 'miss' | 'failure', ending: Ending): void {
    this.#last = { verdict, ending };
    this.#unanswered = this.#last;
    this.#recovery ??= { cause: verdict, since: this.#now };
  }

  #judge(answer: Answer, source: ReadReport['failedDuring']): void {
    const { knowsDown, isMiss } = this.#told;
    const { kind, given } = answer;
    const say = (verdict: Verdict, ending: Ending = answer): void => {
      this.#last = { verdict, ending };
    };
    if (kind === 'row') return say('answer');
    if (kind === 'down' && knowsDown && source !== 'primary') return say('failure');
    if (kind !== 'nothing' && kind !== 'no result') return say('error');
    if (isMiss === 'throws') return say('error', 'classifier');
    if (isMiss === 'default' || given === undefined) return say('miss');
    return say(kind === 'nothing' ? 'answer' : 'error');
  }

  /** Asks the primary, or hears what it answers to another read. */
  askPrimary(query: number, isCoalesced = false): void {
    const { primaryAnswers, isBypassed } = this.#told;
    const answer = primaryAnswers[query % primaryAnswers.length]!;
    this.#heardOfPrimary++;
    if (!isCoalesced) this.#primaryQueries++;
    this.#source = 'primary';
    this.#untilAborted(() => {
      this.#pass(PRIMARY_MS);
      if (isBypassed) this.#last = { verdict: 'answer', ending: answer };
      else this.#judge(answer, 'primary');
    });
    this.#isCoalesced = isCoalesced && !this.heardAbort;
  }

  get heardAbort(): boolean {
    const { ending } = this.#last;
    return typeof ending === 'object' && ending.kind === 'abort';
  }

  /** The clock of a read stops when its signal aborts. */
  #pass(ms: number): void {
    const isAborted = this.#abortsAt <= this.#now + ms;
    this.#now = isAborted ? this.#abortsAt : this.#now + ms;
    if (isAborted) throw ABORTED;
  }

  #untilAborted(steps: () => void): void {
    try {
      steps();
    } catch (error) {
      if (error !== ABORTED) throw error;
      this.#last = ABORTED;
    }
  }

  tell(): Prediction {
    return {
      attempts: this.#attempts,
      primaryQueries: this.#primaryQueries,
      ending: this.#last.ending,
      replicaError: this.#replicaError,
      report: this.#told.isBypassed ? undefined : this.#report(),
    };
  }

  #report(): Prediction['report'] {
    const { ending } = this.#last;
    const hasThrown = typeof ending === 'string' || !['row', 'nothing'].includes(ending.kind);
    const recovery = this.#recovery && {
      cause: this.#recovery.cause,
      misses: this.#misses,
      failures: this.#failures,
      durationMs: this.#now - this.#recovery.since,
      ...(this.#catchUp && { catchUp: this.#catchUp }),
    };
    return {
      outcome: this.#outcome(),
      attempts: this.#attempts.length + this.#heardOfPrimary,
      durationMs: this.#now,
      ...(recovery && { recovery }),
      ...(this.#isCoalesced && { coalesced: true as const }),
      ...(hasThrown && this.#source && { failedDuring: this.#source }),
    };
  }

  #outcome(): Outcome {
    const { verdict } = this.#last;
    if (verdict === 'answer') return this.#source ?? 'error';
    if (verdict === 'miss') return 'not_found';
    return verdict === 'rejected' ? verdict : 'error';
  }
}

const ABORTED = { verdict: 'error', ending: 'reason' } as const;
