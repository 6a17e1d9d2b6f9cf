export interface Round {
  /** How often each candidate is called in a round. */
  readonly calls: number;
  readonly rounds: number;
  /** In nanoseconds. Default is `wallClock`. */
  readonly clock?: () => number;
}

function wallClock(): number {
  return Number(process.hrtime.bigint());
}

/** For calls that wait for nothing: what else the machine does is not in it. */
export function processorClock(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** Nanoseconds of one call: the median of the rounds, and half of the range that their middle half lies in. */
export interface Timing {
  readonly median: number;
  readonly spread: number;
}

export type Candidates<Name extends string> = Readonly<Record<Name, () => Promise<unknown>>>;

/**
 * What one call of each candidate costs. They take turns, round by round and in another order each time,
 * so that whatever else the machine does hits all of them alike.
 */
export async function compare<Name extends string>(
  candidates: Candidates<Name>,
  { calls, rounds, clock = wallClock }: Round,
): Promise<Record<Name, Timing>> {
  const names = Object.keys(candidates) as Name[];
  const samples = new Map(names.map((name) => [name, [] as number[]]));
  const warmUp = Math.ceil(rounds / 10);
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of rotate(names, round + warmUp)) {
      const nanoseconds = await time(candidates[name], calls, clock);
      if (round >= 0) samples.get(name)?.push(nanoseconds);
    }
  }
  const timings = names.map((name) => [name, summarize(samples.get(name) ?? [])]);
  return Object.fromEntries(timings) as Record<Name, Timing>;
}

async function time(
  candidate: () => Promise<unknown>,
  calls: number,
  clock: () => number,
): Promise<number> {
  const start = clock();
  for (let call = 0; call < calls; call++) await candidate();
  return (clock() - start) / calls;
}

function rotate<Item>(items: readonly Item[], by: number): Item[] {
  const pivot = by % items.length;
  return [...items.slice(pivot), ...items.slice(0, pivot)];
}

function summarize(values: readonly number[]): Timing {
  const sorted = values.toSorted((a, b) => a - b);
  const quantile = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { median: quantile(0.5), spread: (quantile(0.75) - quantile(0.25)) / 2 };
}
