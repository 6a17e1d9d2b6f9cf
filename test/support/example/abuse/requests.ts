import * as fc from 'fast-check';
import type { SnapshotKey } from '../../../../examples/snapshots-service/service/snapshot-writer.ts';
import { type Body, bodyFor } from './bodies.ts';
import { bytes, junk, mostly } from './strange.ts';

/** What somebody sends to the example's service. */
export interface AbusiveRequest {
  /** With a character for each byte. */
  readonly text: string;
  /** Whether the client is gone before it has an answer. */
  readonly breaksOff: boolean;
}

/** Where requests go. */
interface Target {
  /** `127.0.0.1:3000` */
  readonly host: string;
  /** Of a snapshot that exists. */
  readonly key: SnapshotKey;
}

/** Anything. Most of it looks like a request to one of the routes, and nothing or something is wrong with it. */
export function abusiveRequest({ host, key }: Target): fc.Arbitrary<AbusiveRequest> {
  const request = fc.constantFrom(...routesTo(key)).chain(([method, path]) =>
    fc
      .tuple(
        fc.tuple(mostly(method, anyMethod), mostly(path, damaged(path)), query, anyVersion),
        headersTo(host),
        bodyFor(method, path),
        mostly(false, fc.constant(true)),
      )
      .map(([line, headers, body, breaksOff]) => {
        return { text: write(line, headers, body), breaksOff: breaksOff || body.isUnfinished };
      }),
  );
  return fc.oneof(
    { arbitrary: request, weight: 60 },
    bytes.map((text) => ({ text, breaksOff: true })),
  );
}

function write(
  [method, path, ending, version]: readonly string[],
  headers: readonly string[],
  body: Body,
): string {
  const line = `${method} ${path}${ending} ${version}`;
  return [line, ...headers, 'Connection: close', ...body.headers, '', body.text].join('\r\n');
}

function routesTo({ runId, snapshotId }: SnapshotKey): readonly [method: string, path: string][] {
  const run = `/runs/${runId}/snapshots`;
  return [
    ['POST', '/runs'],
    ['POST', run],
    ['GET', run],
    ['GET', `${run}/since/${snapshotId}`],
    ['PATCH', `${run}/${snapshotId}`],
    ['GET', '/health'],
    ['GET', '/metrics'],
    ['GET', '/'],
    ['GET', '/lab/main.js'],
    ['GET', '/lab/events'],
    ['PATCH', '/lab/settings'],
    ['POST', '/lab/scene'],
    ['POST', '/lab/draft'],
  ];
}

const anyMethod = fc.oneof(
  fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'),
  fc.constantFrom('QUERY', 'PROPFIND', 'M-SEARCH', 'get', 'PRI', 'GET GET', '', '\0'),
  junk,
);

const anyVersion = mostly('HTTP/1.1', fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/9.9', '', 'X'));

function damaged(path: string): fc.Arbitrary<string> {
  const segments = path.slice(1).split('/');
  return fc.oneof(
    fc
      .tuple(fc.nat(segments.length - 1), junk)
      .map(([at, segment]) => `/${segments.with(at, segment).join('/')}`),
    junk.map((segment) => `${path}/${segment}`),
    fc.constantFrom(`/${path}`, `${path}/`, path.toUpperCase(), path.slice(1), `/x/..${path}`),
    fc.constantFrom('http://evil.example', 'https://', 'file://').map((origin) => origin + path),
    junk,
  );
}

const parameter = fc
  .tuple(
    fc.oneof(fc.constantFrom('limit', 'limit[]', 'LIMIT', '__proto__'), junk),
    fc.oneof(fc.constantFrom('1', '1000', '1001'), junk),
  )
  .map((pair) => pair.join('='));

const query = mostly(
  '',
  fc.oneof(
    fc.array(parameter, { maxLength: 6 }).map((parameters) => `?${parameters.join('&')}`),
    junk.map((ending) => `?${ending}`),
    fc.constant(`?${'limit=1&'.repeat(1_500)}`),
  ),
);

const header = fc.oneof(
  fc.constantFrom('Origin: https://evil.example', 'Origin: null', 'Sec-Fetch-Site: cross-site'),
  fc.constantFrom('Sec-Fetch-Site: same-origin', 'Sec-Fetch-Dest: document', 'If-None-Match: *'),
  fc.constantFrom('Accept-Encoding: gzip', 'Expect: 100-continue', 'Expect: miracles'),
  fc.constantFrom('Upgrade: websocket', 'Connection: Upgrade', 'TE: trailers', 'Range: bytes=9-1'),
  fc.constantFrom('X-Position: now', `X-Position: ${'9'.repeat(12)}-ffffffffffffffff~00000000`),
  fc.constantFrom('Host: evil.example', 'no colon', ': no name', ' folded', 'Name : x'),
  junk.map((value) => `X-Position: ${value}`),
  junk.map((value) => `Origin: ${value}`),
  fc.tuple(junk, junk).map((parts) => parts.join(': ')),
  fc.constant(Array.from({ length: 3_000 }, (_, number) => `X-${number}: x`).join('\r\n')),
);

function headersTo(host: string): fc.Arbitrary<readonly string[]> {
  const otherHost = fc.oneof(
    fc.constantFrom('evil.example', `${host}@evil.example`, 'localhost', '127.0.0.1', '127.0.0.1:'),
    fc.constantFrom('[::1]', '127.0.0.1:99999', '127.1', '2130706433', 'LOCALHOST', 'localhost.'),
    junk,
  );
  return fc
    .tuple(
      mostly(
        [host],
        fc.oneof(
          fc.constant([]),
          otherHost.map((other) => [other]),
        ),
      ),
      mostly<string[]>([], fc.array(header, { maxLength: 4 })),
      mostly<string[]>([], fc.array(header, { maxLength: 4 })),
    )
    .map(([hosts, some, more]) => hosts.map((each) => `Host: ${each}`).concat(some, more));
}
