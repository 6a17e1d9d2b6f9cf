import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { ExampleAnswer } from './example-service.ts';

interface RawRequest {
  readonly method?: string;
  /** Any at all: `fetch` keeps some to itself. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks with exactly these headers, as a browser that was tricked might. */
export async function requestRaw(
  url: string,
  { method = 'GET', headers = {}, body = '' }: RawRequest = {},
): Promise<ExampleAnswer> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { method, headers }, resolve).on('error', reject).end(body);
  });
  const content = await text(response);
  const isJson = content !== '' && response.headers['content-type']?.includes('json');
  return {
    status: response.statusCode ?? 0,
    headers: new Headers(
      Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
    ),
    text: content,
    body: isJson ? JSON.parse(content) : undefined,
  };
}
