import type { Context, MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { POSITION_HEADER, type Sessions } from './sessions.ts';

/** What takes a position from one request to the next. */
export interface Carrier {
  readonly receive: (c: Context) => string | undefined;
  readonly send: (c: Context, position: string) => void;
}

/** For services. */
export const header: Carrier = {
  receive: (c) => c.req.header(POSITION_HEADER),
  send: (c, position) => c.header(POSITION_HEADER, position),
};

/** For browsers. */
export const cookie: Carrier = {
  receive: (c) => getCookie(c, 'position'),
  send: (c, position) =>
    setCookie(c, 'position', position, { httpOnly: true, sameSite: 'Lax', secure: true }),
};

/** Gives each request a session, which goes on where the last one of the same client ended. */
export function causalSession<DB>(
  sessions: Sessions<DB>,
  { receive, send }: Carrier,
): MiddlewareHandler {
  return async (c, next) => {
    const position = await sessions.handle(receive(c), next);
    if (position !== undefined) send(c, position);
  };
}
