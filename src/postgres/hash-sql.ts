/**
 * SQL that names a timeline of a cluster. Hashed, because a system identifier tells when the cluster was made; not with
 * `md5`, which some servers refuse.
 */
export function hashOf(timeline: string): string {
  return firstBytes(6, `system_identifier || '/' || ${timeline}`);
}

/** SQL that says, at the end of a position, that this server may show what comes next. */
export function showsMore(server: string): string {
  return `'~' || ${firstBytes(4, server)}`;
}

function firstBytes(count: number, text: string): string {
  return `encode(substr(sha256(convert_to(${text}, 'UTF8')), 1, ${count}), 'hex')`;
}

/**
 * SQL that says whether the next statement on the connection sees all that is committed by then. It does not in a transaction of
 * one snapshot that somebody has left open: there, this statement is not the first one.
 */
export const SEES_ALL = `
  current_setting('transaction_isolation') = 'read committed'
  or transaction_timestamp() = statement_timestamp()`;
