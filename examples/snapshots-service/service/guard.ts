import type { MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { quote } from './check-input.ts';

const OWN_NAMES = new Set(['127.0.0.1', 'localhost']);

/**
 * Refuses requests to any name but this machine's own. A page of somebody else's, whose name was made to lead here, is
 * of the same origin for the browser, and only the name gives it away: DNS rebinding.
 */
export const ownHostOnly: MiddlewareHandler = async (c, next) => {
  const host = c.req.header('Host') ?? '';
  const name = URL.parse(`http://${host}`)?.hostname ?? '';
  if (!OWN_NAMES.has(name)) {
    throw new HTTPException(403, {
      message: `Expected \`Host\` to be 127.0.0.1 or localhost, got ${quote(host)}.`,
    });
  }
  await next();
};

/**
 * Refuses what pages of other origins ask for. What is no browser sends neither header, and a link
 * from elsewhere may lead to what is only looked at.
 */
export const ownOriginOnly: MiddlewareHandler = async (c, next) => {
  const origin = c.req.header('Origin');
  const site = c.req.header('Sec-Fetch-Site');
  const own = `http://${c.req.header('Host')}`;
  const isLink = c.req.method === 'GET' && c.req.header('Sec-Fetch-Dest') === 'document';
  if (origin !== undefined && origin !== own) {
    throw new HTTPException(403, {
      message: `Expected \`Origin\` to be ${own}, got ${quote(origin)}.`,
    });
  }
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isLink) {
    throw new HTTPException(403, {
      message: `Expected \`Sec-Fetch-Site\` to be same-origin, got ${quote(site)}.`,
    });
  }
  await next();
};
