import { createHash } from 'node:crypto';
import { Hono, type MiddlewareHandler } from 'hono';
import { compress } from 'hono/compress';
import { etag } from 'hono/etag';
import { secureHeaders } from 'hono/secure-headers';
import { getMimeType } from 'hono/utils/mime';
import { INDEX, PAGE_FILES } from './page-files.ts';

/** The page at `/`, and under `/lab/` the files that it loads. */
export function createPageRoutes(): Hono {
  const app = new Hono();
  const delivery = [policy(), neverStale, compress(), etag()] as const;
  app.get('/', ...delivery, (c) => c.html(INDEX));
  for (const [name, text] of PAGE_FILES) {
    const headers = { 'Content-Type': getMimeType(name) ?? 'text/plain' };
    app.get(`/lab/${name}`, ...delivery, (c) => c.body(text, 200, headers));
  }
  return app;
}

/** Nothing from elsewhere, and no script in the page but its import map. */
function policy(): MiddlewareHandler {
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'", ...hashImportMaps()],
      styleSrc: ["'self'"],
      imgSrc: ["'self'"],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
    strictTransportSecurity: false,
  });
}

const neverStale: MiddlewareHandler = async (c, next) => {
  await next();
  c.header('Cache-Control', 'no-cache');
};

function hashImportMaps(): string[] {
  const maps = INDEX.matchAll(/<script type="importmap">([^]*?)<\/script>/g);
  return [...maps].map(
    ([, map = '']) => `'sha256-${createHash('sha256').update(map).digest('base64')}'`,
  );
}
