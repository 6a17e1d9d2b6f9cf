const SERVER_SETTINGS = {
  wal_level: 'replica',
  hot_standby: 'on',
  fsync: 'off',
  // Without it WAL is flushed only every 200 ms, and all lag looks like that.
  synchronous_commit: 'on',
  max_connections: '100',
  max_wal_senders: '20',
  shared_buffers: '32MB',
  // A standby that was away for a while can catch up, and is quick to.
  wal_keep_size: '256MB',
  wal_retrieve_retry_interval: '100ms',
  // Segments in the data directory go away with it, even when their server was killed.
  dynamic_shared_memory_type: 'mmap',
};

/** The settings of every server, as arguments for `postgres`. None of the values needs quotes. */
export const SERVER_ARGUMENTS: readonly string[] = Object.entries(SERVER_SETTINGS).flatMap(
  ([name, value]) => ['-c', `${name}=${value}`],
);

/** Settings, and those of every server, as lines for `postgresql.conf`. */
export function configurationOf(settings: Readonly<Record<string, string>>): string {
  return Object.entries({ ...SERVER_SETTINGS, ...settings })
    .map(([name, value]) => `${name} = '${value}'\n`)
    .join('');
}
