import type { PoolConfig } from 'pg';
import { expect, onTestFinished } from 'vitest';
import { type Connection, connect } from './connect.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

interface ProxiedConnection<DB> extends Connection<DB> {
  readonly proxy: TcpProxy;
}

/** Connects through a proxy of its own. Both are gone when the test is. */
export async function connectThroughProxy<DB>(
  connectionString: string,
  config: PoolConfig = {},
): Promise<ProxiedConnection<DB>> {
  const proxy = await startTcpProxy(connectionString);
  const connection = connect<DB>(proxy.connectionString, config);
  onTestFinished(async () => {
    // First, because a query that waits for an answer from a black hole holds up the end of its pool.
    await proxy.close();
    await connection.end();
    expect(proxy.open).toBe(0);
  });
  return { ...connection, proxy };
}
