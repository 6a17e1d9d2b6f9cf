import { describe, expect, test } from 'vitest';
import { readConfig } from '../../examples/snapshots-service/service/config.ts';
import { startExample } from '../support/example/example-process.ts';

const ENABLED = 'RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_ENABLED';
const CATCH_UP = 'RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_CATCH_UP';
const MIN = 'RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_RETRY_MIN_MS';
const MAX = 'RUN_ENGINE_SNAPSHOTS_SINCE_REPLICA_RETRY_MAX_MS';
const SECRET = 'postgres://me:secret@127.0.0.1:1/app';

describe("the example's configuration", () => {
  test('has defaults, also for variables that are set to nothing', () => {
    const defaults = {
      enabled: true,
      catchUp: true,
      retryMs: { min: 50, max: 200 },
      port: undefined,
      databases: undefined,
      logLevel: 'error',
    };
    expect(readConfig({})).toEqual(defaults);
    const others = ['PORT', 'DATABASE_URL', 'REPLICA_DATABASE_URL', 'LOG_LEVEL'];
    const names = [ENABLED, CATCH_UP, MIN, MAX, ...others];
    expect(readConfig(Object.fromEntries(names.map((name) => [name, ''])))).toEqual(defaults);
  });

  test.for([
    ['true', true],
    ['1', true],
    ['TRUE', true],
    ['false', false],
    ['0', false],
  ] as const)('takes %s for a switch that is %s', ([value, isOn]) => {
    expect(readConfig({ [ENABLED]: value })).toMatchObject({ enabled: isOn, catchUp: true });
    expect(readConfig({ [CATCH_UP]: value })).toMatchObject({ enabled: true, catchUp: isOn });
  });

  test.for([
    [
      { [MIN]: '10', [MAX]: '20' },
      { min: 10, max: 20 },
    ],
    [{ [MAX]: '20' }, { min: 20, max: 20 }],
    [{ [MIN]: '200' }, { min: 200, max: 200 }],
    [{ [MAX]: '0' }, { min: 0, max: 0 }],
    [
      { [MIN]: '50', [MAX]: '0' },
      { min: 0, max: 0 },
    ],
  ] as const)('takes %o for a wait of %o', ([env, retryMs]) => {
    expect(readConfig(env).retryMs).toEqual(retryMs);
  });

  test('takes two servers, a port and a level', () => {
    const env = {
      DATABASE_URL: SECRET,
      REPLICA_DATABASE_URL: 'postgresql:///app?host=/tmp',
      PORT: '0',
      LOG_LEVEL: 'warn',
    };
    expect(readConfig(env)).toMatchObject({
      databases: { primary: SECRET, replica: 'postgresql:///app?host=/tmp' },
      port: 0,
      logLevel: 'warn',
    });
  });

  const number = 'an integer from 0 to 60000';
  const url = 'a URL like postgres://user@host:5432/database, got "(hidden)"';

  test.for<[Record<string, string>, string]>([
    [{ [ENABLED]: 'yes' }, `Expected \`${ENABLED}\` to be true, false, 1 or 0, got "yes".`],
    [{ [CATCH_UP]: 'on' }, `Expected \`${CATCH_UP}\` to be true, false, 1 or 0, got "on".`],
    [{ [MIN]: '-1' }, `Expected \`${MIN}\` to be ${number}, got "-1".`],
    [{ [MIN]: '1.5' }, `Expected \`${MIN}\` to be ${number}, got "1.5".`],
    [{ [MAX]: '60001' }, `Expected \`${MAX}\` to be ${number}, got "60001".`],
    [{ [MAX]: '200ms' }, `Expected \`${MAX}\` to be ${number}, got "200ms".`],
    [{ [MIN]: '201' }, `Expected \`${MIN}\` to be at most \`${MAX}\` (200), got 201.`],
    [{ PORT: '65536' }, 'Expected `PORT` to be an integer from 0 to 65535, got "65536".'],
    [{ PORT: 'http' }, 'Expected `PORT` to be an integer from 0 to 65535, got "http".'],
    [{ LOG_LEVEL: 'loud' }, 'Expected `LOG_LEVEL` to be info, warn, error, got "loud".'],
    [{ DATABASE_URL: 'me:secret@host/app' }, `Expected \`DATABASE_URL\` to be ${url}.`],
    [
      { DATABASE_URL: SECRET, REPLICA_DATABASE_URL: 'mysql://me:secret@host/app' },
      `Expected \`REPLICA_DATABASE_URL\` to be ${url}.`,
    ],
    [
      { DATABASE_URL: SECRET },
      'Expected `REPLICA_DATABASE_URL` to be set, as `DATABASE_URL` is, got undefined.',
    ],
    [
      { REPLICA_DATABASE_URL: SECRET },
      'Expected `DATABASE_URL` to be set, as `REPLICA_DATABASE_URL` is, got undefined.',
    ],
  ])('refuses %o', ([env, message]) => {
    expect(() => readConfig(env)).toThrow(expect.objectContaining({ message }));
  });
});

describe('the example as a process', () => {
  test('ends with the exit code 1 and one line about a bad variable', async () => {
    const example = startExample('snapshots-service/main.ts', { env: { [MAX]: 'long' } });
    expect(await example.ended).toBe(1);
    expect(example.output).toEqual({
      stdout: '',
      stderr: `Expected \`${MAX}\` to be an integer from 0 to 60000, got "long".\n`,
    });
  });

  test('ends with the exit code 1 and one line, without the password, when its servers do not answer', async () => {
    const example = startExample('snapshots-service/main.ts', {
      env: { DATABASE_URL: SECRET, REPLICA_DATABASE_URL: SECRET },
    });
    expect(await example.ended).toBe(1);
    expect(example.output.stderr).toMatch(/^Cannot use the databases: connect ECONNREFUSED .*\n$/);
    expect(example.output.stdout).not.toContain('secret');
  });

  test.for([
    [['--twice'], "Unknown option '--twice'."],
    [['--once=yes'], "Option '--once' does not take an argument."],
    [['once'], "Unexpected argument 'once'."],
    [['--record='], "Option '--record' needs a folder."],
  ] as const)(
    'ends with the exit code 2 and one line about the argument %s',
    async ([args, reason]) => {
      const example = startExample('snapshots-service/main.ts', { args });
      expect(await example.ended).toBe(2);
      expect(example.output).toEqual({
        stdout: '',
        stderr: `${reason} \`npm start -- --help\` says what there is.\n`,
      });
    },
  );

  test('explains its options and variables', async () => {
    const example = startExample('snapshots-service/main.ts', { args: ['--help'] });
    expect(await example.ended).toBe(0);
    const variables = [ENABLED, CATCH_UP, MIN, MAX, 'PORT', 'DATABASE_URL', 'LOG_LEVEL'];
    const named = ['--once', '--help', ...variables];
    expect(named.filter((name) => !example.output.stdout.includes(name))).toEqual([]);
  });
});
