import { expect, test } from 'vitest';
import { checkWarned } from '../chaos/checks/at-the-end.ts';
import { BudgetWatch } from '../chaos/checks/budget-watch.ts';
import { checkPage, type Page } from '../chaos/checks/check-page.ts';
import { parseCommandLine } from '../chaos/command-line.ts';
import { Random } from '../chaos/random.ts';
import { Client, type Status } from '../chaos/traffic/client.ts';
import { Run } from '../chaos/traffic/run.ts';
import { Tally } from '../chaos/traffic/tally.ts';

/** What `npm run chaos` decides with. That it finds what is wrong takes servers: its README tells what it has found. */

const RUN_ID = 'run';

function startRun(): { run: Run; describe: (waitpoints?: number) => string } {
  const run = new Run('run-0', RUN_ID, 'a');
  const describe = (waitpoints = 0) => run.describeNext('writer', waitpoints);
  return { run, describe };
}

function snapshot(id: string, description: string, overrides: object = {}) {
  return {
    id,
    runId: RUN_ID,
    description,
    completedWaitpointOrder: [],
    completedWaitpoints: [],
    ...overrides,
  };
}

function check(run: Run, snapshots: Page['snapshots'], status: Status = 200, more = {}): Tally {
  const tally = new Tally();
  const service = { url: 'http://127.0.0.1', ledToStandbySince: () => false };
  const client = new Client('somebody', service, tally);
  const body = { snapshots, hasMore: false };
  checkPage({ client, run, anchor: 'a', answer: { status, isDoubtful: false, body, ...more } });
  return tally;
}

test('a page that goes on from its anchor is in order, and so is one that lacks the newest', () => {
  const { run, describe } = startRun();
  const [b, c] = [snapshot('b', describe()), snapshot('c', describe())];
  for (const { id } of [c, b]) run.acknowledge(id);
  for (const page of [[b, c], [b], []]) expect(() => check(run, page)).not.toThrow();
});

test('a read that the service could not answer is in order', () => {
  expect(() => check(startRun().run, [], 503)).not.toThrow();
});

test('a 404 about a snapshot that was committed is a violation', () => {
  expect(() => check(startRun().run, [], 404)).toThrow(/^nothing committed is missing/);
});

test("it is excused where a standby was at the primary's address, of which the service has to warn", () => {
  const { excused } = check(startRun().run, [], 404, { isDoubtful: true });
  expect(excused).toBe(1);
  expect(() => checkWarned({ excused }, { warnings: 1 })).not.toThrow();
  expect(() => checkWarned({ excused: 0 }, { warnings: 0 })).not.toThrow();
  expect(() => checkWarned({ excused }, { warnings: 0 })).toThrow(/^what may be wrong is told/);
});

test('a snapshot that nobody has asked for in the run is a violation', () => {
  const { run, describe } = startRun();
  const description = describe();
  const others = [
    snapshot('b', description, { runId: 'another' }),
    snapshot('b', description.replace('run-0', 'run-1')),
    snapshot('b', description.replace(' 1 ', ' 2 ')),
  ];
  for (const other of others) {
    expect(() => check(run, [other])).toThrow(/^nothing of another run/);
  }
});

test('a snapshot that is skipped, repeated or out of order is a violation', () => {
  const { run, describe } = startRun();
  const [b, c] = [snapshot('b', describe()), snapshot('c', describe())];
  for (const { id } of [b, c]) run.acknowledge(id);
  for (const page of [[c], [b, b, c], [c, b], [snapshot('a', ''), b]]) {
    expect(() => check(run, page)).toThrow(/^none skipped or repeated/);
  }
});

test('a newest snapshot without its waitpoints is a violation', () => {
  const { run, describe } = startRun();
  const description = describe(2);
  const order = { completedWaitpointOrder: ['w1', 'w2'] };
  const complete = { ...order, completedWaitpoints: [{ id: 'w1' }, { id: 'w2' }] };
  expect(() => check(run, [snapshot('b', description, complete)])).not.toThrow();
  for (const arrived of [[], ['w2'], ['w2', 'w1']]) {
    const part = { ...order, completedWaitpoints: arrived.map((id) => ({ id })) };
    expect(() => check(run, [snapshot('b', description, part)])).toThrow(/^nothing incomplete/);
  }
});

test('more reads on the primary than a budget allows are a violation', () => {
  const watch = new BudgetWatch();
  const tally = new Tally();
  watch.check(tally);
  for (let read = 0; read < 1_000; read++) tally.begin();
  const spill = Buffer.from('…with "page" as (select …');
  for (let read = 0; read < 200; read++) watch.hear(spill);
  expect(() => watch.check(tally)).not.toThrow();
  for (let read = 0; read < 200; read++) watch.hear(spill);
  expect(() => watch.check(tally)).toThrow(/^the budget is kept/);
});

/** What somebody chooses, after something was done to what all choices come from. */
function choose(disturb: (random: Random) => void): number[] {
  const random = new Random(7);
  disturb(random);
  const fork = random.fork('somebody');
  return Array.from({ length: 5 }, () => fork.integer(0, 1_000));
}

test('a seed decides all choices, and what is chosen elsewhere does not disturb them', () => {
  const choices = choose(() => {});
  expect(choose((random) => random.next())).toEqual(choices);
  expect(new Set(choices).size).toBeGreaterThan(1);
  expect(new Random(7).fork('another').integer(0, 1_000)).not.toBe(choices[0]);
});

test.for([
  [['--seconds', '0'], "Expected '--seconds' to be an integer from 1 to 86400, got '0'."],
  [['--seed', 'x'], "Expected '--seed' to be an integer from 0 to 4294967295, got 'x'."],
  [['--fault'], "Unknown option '--fault'."],
  [['60'], "Unexpected argument '60'."],
] as const)('refuses the arguments %j', ([args, message]) => {
  expect(() => parseCommandLine(args)).toThrow(
    `${message} \`npm run chaos -- --help\` says what there is.`,
  );
});
