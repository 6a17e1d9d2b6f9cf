/** One PostgreSQL server, as its runtime controls it. Asking for a state that it is in already does nothing. */
export interface ServerControl {
  /** Stays the same for as long as the cluster lives. */
  readonly connectionString: string;
  /** Resolves when the server accepts connections. */
  start(): Promise<void>;
  /** A fast shutdown: sessions end with an error, and nothing is lost. */
  stop(): Promise<void>;
  /** SIGKILL: sessions end with nothing said. */
  kill(): Promise<void>;
}

/** What a runtime gives: a primary, its standbys, and the way to be rid of all of them. */
export interface RunningServers {
  readonly primary: ServerControl;
  readonly replicas: readonly ServerControl[];
  dispose(): Promise<void>;
}

/** What users of a cluster get of any server, and not what else its runtime knows of it. */
export function controlsOf(server: ServerControl): ServerControl & { restart(): Promise<void> } {
  const { connectionString } = server;
  return {
    connectionString,
    async restart() {
      await server.stop();
      await server.start();
    },
    start: () => server.start(),
    stop: () => server.stop(),
    kill: () => server.kill(),
  };
}
