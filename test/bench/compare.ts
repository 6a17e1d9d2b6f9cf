export interface Round {
  /** How often each candidate is called in a round. */
  readonly calls: number;
  readonly rounds: number;
}

export type Candidates<Name extends string> = Readonly<Record<Name, () => Promise<unknown>>>;

/**
 * The median nanoseconds of one call of each candidate. They take turns, round by round and in another order each time,
 * so that whatever else the machine does hits all of them alike.
 */
export async function compare<Name extends string>(
  candidates: Candidates<Name>,
  { calls, rounds }: Round,
): Promise<Record<Name, number>> {
  const names = Object.keys(candidates) as Name[];
  const samples = new Map(names.map((name) => [name, [] as number[]]));
  const warmUp = Math.ceil(rounds / 10);
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of rotate(names, round + warmUp)) {
      const nanoseconds = await time(candidates[name], calls);
      if (round >= 0) samples.get(name)?.push(nanoseconds);
    }
  }
  const medians = names.map((name) => [name, median(samples.get(name) ?? [])]);
  return Object.fromEntries(medians) as Record<Name, number>;
}

async function time(candidate: () => Promise<unknown>, calls: number): Promise<number> {
  const start = process.hrtime.bigint();
  for (let call = 0; call < calls; call++) await candidate();
  return Number(process.hrtime.bigint() - start) / calls;
}

function rotate<Item>(items: readonly Item[], by: number): Item[] {
  const pivot = by % items.length;
  return [...items.slice(pivot), ...items.slice(0, pivot)];
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
