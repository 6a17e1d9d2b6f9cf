import { InvalidOptionError } from 'kysely-replica-fallback';
import type { App } from './service/app.ts';
import type { CommandLine } from './command-line.ts';
import { readConfig } from './service/config.ts';
import { openDatabases, prepareTables } from './service/databases.ts';
import { runLagDemo } from './demo/lag-demo.ts';
import { createLab } from './lab/lab.ts';
import { createLabRoutes } from './lab/lab-routes.ts';
import { prepareFolder, recordScenes } from './lab/record-scenes.ts';
import { listen, type RunningServer } from './service/listen.ts';
import { createLog } from './service/log.ts';
import { aborted, explain, type ProgramContext } from './program.ts';
import { createRunner, pollPath } from './demo/runner.ts';
import { startServers } from './servers.ts';
import { createService, createServiceWithoutFallback } from './service/service.ts';
import type { Terminal } from './terminal.ts';

/** What the example runs in, and what is asked of it. */
export interface ExampleContext extends ProgramContext, Pick<CommandLine, 'once' | 'record'> {
  readonly terminal: Terminal;
}

/** Starts servers and a service, demonstrates them, and opens the lab until it is interrupted. */
export async function runExample(context: ExampleContext): Promise<void> {
  const { signal, defer, terminal, once, record } = context;
  const { say } = terminal;
  const config = readConfig(process.env);
  const log = createLog(config.logLevel);

  if (record !== undefined) await prepareFolder(record);
  if (config.databases === undefined) say('Starting a primary and a standby.');
  const servers = await startServers(config.databases);
  defer(() => servers.stop());
  signal.throwIfAborted();
  say(`Running on ${servers.description}.`);

  const databases = openDatabases(servers.urls, log);
  defer(() => databases.close());
  await prepareTables(databases, signal).catch((cause) => {
    throw new Error(`Cannot use the databases: ${explain(cause)}`, { cause });
  });
  signal.throwIfAborted();

  const lab = createLab({
    databases,
    servers: servers.description,
    standby: servers.standby,
    retryMs: config.retryMs,
    log,
  });
  const app = createService(databases, config, log);
  app.route('/', createLabRoutes(lab));
  const service = await listenOn(config.port, app);
  defer(() => service.close());
  defer(() => lab.close());
  if (record !== undefined) {
    lab.open();
    await recordScenes(lab, record, (title) => say(`Recording “${title}”.`), signal);
    return say(`The scenes are in ${record}. Any web server can host them.`);
  }
  say(`Serving on ${service.url}.`);
  {
    // Those that it is compared with are there only as long as it is.
    await using other = await listen(
      createService(databases, { ...config, catchUp: !config.catchUp }, log),
      0,
    );
    await using off = await listen(createServiceWithoutFallback(databases, log), 0);
    const [informed, blind] = config.catchUp ? [service, other] : [other, service];
    await runLagDemo({
      runners: {
        informed: createRunner(informed.url, signal),
        blind: createRunner(blind.url, signal),
        off: createRunner(off.url, signal),
      },
      standby: servers.standby,
      retryMaxMs: config.retryMs.max,
      terminal,
    });
  }
  if (once) return;

  const runner = createRunner(service.url, signal);
  const key = await runner.createRun();
  await runner.append(key.runId);
  lab.open();
  say(`\nThe lag lab is open: ${service.url}/`);
  say('It is a page where you set the lag yourself, and see what becomes of the polls.');
  say('\nServing until Ctrl-C:');
  for (const path of ['/health', '/metrics', pollPath(key)]) say(`  ${service.url}${path}`);
  await aborted(signal);
}

/** A port that was asked for is that port, or an error; the default one is only a habit. */
async function listenOn(port: number | undefined, app: App): Promise<RunningServer> {
  try {
    return await listen(app, port ?? 3000);
  } catch {
    if (port === undefined) return listen(app, 0);
    throw new InvalidOptionError('PORT', 'a port that is free', port);
  }
}
