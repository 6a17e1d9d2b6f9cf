import * as fc from 'fast-check';
import { bytes, junk, latin1, mostly, text } from './strange.ts';

/** A body, with the headers that tell of it. */
export interface Body {
  readonly headers: readonly string[];
  readonly text: string;
  /** Whether the server may wait for more of it. */
  readonly isUnfinished: boolean;
}

const NO_BODY: Body = { headers: [], text: '', isUnfinished: false };
const MOST_BYTES = 64 * 1024;

/** Bodies of requests to a route, most of which have the right fields. */
export function bodyFor(method: string, path: string): fc.Arbitrary<Body> {
  const body = content(path).chain(framed);
  if (method === 'GET') return mostly(NO_BODY, body);
  return fc.oneof({ arbitrary: body, weight: 12 }, fc.constant(NO_BODY));
}

const any = fc.jsonValue();
const noNumber = any.filter((value) => typeof value !== 'number');
/** All that may be set without harm to other requests: the standby is neither late nor away, and the lab does little. */
const settings = fc.record(
  {
    lagMs: mostly<unknown>(0, fc.constantFrom(-1, 0.5, 5_001, '0', null)),
    paused: mostly<unknown>(false, fc.constantFrom(0, 'true', null)),
    retryMinMs: fc.oneof(fc.nat(2_100), any),
    retryMaxMs: fc.oneof(fc.nat(2_100), any),
    pollsPerSecond: fc.oneof(fc.double({ min: 0, max: 1 }), noNumber),
    runners: fc.oneof(fc.nat(1), noNumber),
  },
  { requiredKeys: [] },
);
const scene = fc.record({ name: fc.oneof(fc.constantFrom<unknown>(null, 'bogus-ids'), any) });
const description = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('\0', '\uD800', '\uDFFF\uD800'),
  any,
);
const output = fc.record({ output: fc.oneof(fc.string(), any) }, { requiredKeys: [] });
const snapshot = fc.record(
  { executionStatus: description, description, waitpoints: fc.oneof(fc.array(output), any) },
  { requiredKeys: [] },
);
const change = fc.record({ description });

/** Brackets, up to as many as a body may have, and perhaps all closed again. */
const deep = fc
  .tuple(fc.constantFrom('[]', '{"description":}', '[{"":}]'), fc.nat(MOST_BYTES), fc.boolean())
  .map(([brackets, length, closes]) => {
    const [, opening = '', closing = ''] = /^(.*?[[:])([\]}]+)$/.exec(brackets) ?? [];
    const times = Math.floor(length / brackets.length);
    return opening.repeat(times) + (closes ? `1${closing.repeat(times)}` : '');
  });

interface Content {
  readonly text: string;
  readonly type: string;
}

function content(path: string): fc.Arbitrary<Content> {
  const fitting = path === '/lab/settings' ? settings : path === '/lab/scene' ? scene : snapshot;
  const objects = fc.oneof<fc.Arbitrary<unknown>[]>(fitting, change);
  return fc.record({
    text: fc.oneof(
      { arbitrary: objects.map((value) => latin1(JSON.stringify(value))), weight: 8 },
      fc.json().map(latin1),
      deep,
      deep.map((value) => `{"description":${value}}`),
      bytes,
      fc.oneof(text, bytes).map((value) => `{"description":"${value}"}`),
      fc.constantFrom('', ' ', 'null', '{', '"', '1e999', latin1('\uFEFF{}'), '{"__proto__":{}}'),
      fc
        .integer({ min: MOST_BYTES - 20, max: MOST_BYTES + 20 })
        .map((length) => ' '.repeat(length)),
      fc.constant('x'.repeat(300_000)),
    ),
    type: mostly(
      'application/json',
      fc.oneof(fc.constantFrom('application/json; charset=utf-16', 'text/plain', ''), junk),
    ),
  });
}

/** Tells how long a body is, one way or another, and not always the truth. */
function framed({ text: whole, type }: Content): fc.Arbitrary<Body> {
  const body = (framing: string, sent: string, isUnfinished: boolean): Body => ({
    headers: [`Content-Type: ${type}`, framing],
    text: sent,
    isUnfinished,
  });
  const withLength = (length: string) =>
    body(`Content-Length: ${length}`, whole, length !== String(whole.length));
  const inChunks = (sent: string, isUnfinished = true) =>
    body('Transfer-Encoding: chunked', sent, isUnfinished);
  const half = chunk(whole.slice(0, whole.length / 2));
  const rest = chunk(whole.slice(whole.length / 2));
  return fc.oneof(
    { arbitrary: fc.constant(withLength(String(whole.length))), weight: 12 },
    { arbitrary: fc.constant(inChunks(`${half}${rest}0\r\n\r\n`, false)), weight: 3 },
    fc.constantFrom(1, -1, 1e15).map((more) => withLength(String(whole.length + more))),
    fc.constantFrom('', '-1', '1e3', '0x10', '+1', '0, 1', 'x').map(withLength),
    fc.constantFrom('', half, `${half}5\r\nab`, '0\r\nA: b\r\n').map((sent) => inChunks(sent)),
    fc
      .constantFrom('f'.repeat(16), '-1', 'zz', `0;${'x'.repeat(30_000)}`)
      .map((size) => inChunks(`${size}\r\n\r\n`)),
    fc
      .constantFrom('gzip', 'chunked, chunked', 'identity', '\0', `chunked\r\nContent-Length: 5`)
      .map((coding) => body(`Transfer-Encoding: ${coding}`, whole, true)),
  );
}

function chunk(sent: string): string {
  return sent === '' ? '' : `${sent.length.toString(16)}\r\n${sent}\r\n`;
}
