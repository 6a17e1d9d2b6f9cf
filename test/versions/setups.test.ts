import { afterAll, beforeAll, expect, test } from 'vitest';
import { binariesOf, type End, FEW, peersAt, SDK } from './claims.ts';
import { installWith, type ManagerName, MANAGERS } from './managers.ts';
import { PROMISES, runReads } from './reads.ts';
import { installRuntimes, RUNTIMES } from './runtimes.ts';

/** What a service has that uses the package. */
interface Setup {
  readonly runtime: string;
  readonly postgres: number;
  readonly peers: End;
  readonly manager: ManagerName;
}

const AXES: { readonly [Axis in keyof Setup]: readonly Setup[Axis][] } = {
  runtime: RUNTIMES,
  postgres: [14, 15, 16, 17, 18],
  peers: ['lowest', 'highest'],
  manager: MANAGERS,
};

let runtimes: Awaited<ReturnType<typeof installRuntimes>>;
beforeAll(async () => {
  runtimes = await installRuntimes();
}, 600_000);
afterAll(() => runtimes?.[Symbol.asyncDispose]());

const setups = FEW ? few() : oneByOne();

test.each(setups)(
  'reads on $runtime, PostgreSQL $postgres and the $peers of its peers, installed by $manager',
  async ({ runtime, postgres, peers, manager }) => {
    await using consumer = await installWith(manager, [
      ...(await peersAt(peers)),
      SDK[peers],
      await binariesOf(postgres),
    ]);
    const [program, ...args] = runtimes.commands.get(runtime) ?? [];
    const kept = await runReads(consumer, [`${program}`, ...args, ...consumer.node]);
    expect(kept).toEqual(PROMISES);
  },
  600_000,
);

/** Each value of each axis, in as few setups as that takes. */
function few(): Setup[] {
  const length = Math.max(...Object.values(AXES).map((values) => values.length));
  return Array.from({ length }, (_, index) => ({
    runtime: pick(AXES.runtime, index),
    postgres: pick(AXES.postgres, index),
    peers: pick(AXES.peers, index),
    manager: pick(AXES.manager, index),
  }));
}

function pick<T>(values: readonly T[], index: number): T {
  return values[index % values.length] as T;
}

/** Each value of each axis, beside the newest of the others. So it tells what a failure is about. */
function oneByOne(): Setup[] {
  const newest: Setup = {
    runtime: 'Node.js 26',
    postgres: 18,
    peers: 'highest',
    manager: 'npm',
  };
  const others = Object.entries(AXES).flatMap(([axis, values]) =>
    values
      .filter((value) => !Object.values(newest).includes(value))
      .map((value) => Object.assign({}, newest, { [axis]: value })),
  );
  return [newest, ...others];
}
