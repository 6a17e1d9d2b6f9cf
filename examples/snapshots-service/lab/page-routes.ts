import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono, type MiddlewareHandler } from 'hono';
import { secureHeaders } from 'hono/secure-headers';
import { INDEX, PAGE_FILES } from './page-files.ts';

/** The page at `/`, and under `/lab/` the files that it loads. */
export function createPageRoutes(): Hono {
  const app = new Hono();
  const headers = [policy(), neverStale] as const;
  app.get('/', ...headers, serveStatic({ path: INDEX }));
  for (const [name, path] of PAGE_FILES) {
    app.get(`/lab/${name}`, ...headers, serveStatic({ path }));
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
  const maps = readFileSync(INDEX, 'utf8').matchAll(/<script type="importmap">([^]*?)<\/script>/g);
  return [...maps].map(
    ([, map = '']) => `'sha256-${createHash('sha256').update(map).digest('base64')}'`,
  );
}
