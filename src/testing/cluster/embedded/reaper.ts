import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';

/** What ends a cluster's servers and removes its directory, at the latest when this process is gone. */
export interface Reaper {
  /** Does it now. Rejects when something could not be removed. */
  reap(): Promise<void>;
}

/**
 * Starts the process that cleans up after a cluster. It waits until its standard input ends, which the operating
 * system sees to however this process ends, SIGKILL included. So there is one way to clean up, and every `stop()`
 * takes it. The process keeps neither the event loop nor any stream of this process alive, and Ctrl-C misses it.
 */
export async function startReaper(directory: string): Promise<Reaper> {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'reaper', directory], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await once(child, 'spawn');
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  const exit = once(child, 'exit');

  return {
    async reap() {
      child.ref();
      child.stdin.destroy();
      await exit;
      if (child.exitCode !== 0) {
        throw new Error(`A replication cluster could not be removed from ${directory}.`);
      }
    },
  };
}

/** A pid is signalled only while it is the postmaster of the data directory that its pid file lies in. */
const SCRIPT = String.raw`
directory=$1

command_line() {
  if [ -r "/proc/$1/cmdline" ]; then tr '\0' ' ' <"/proc/$1/cmdline"; else ps -ww -o args= -p "$1"; fi
}

# Sends a signal to every server. Succeeds when there was one.
signal_servers() {
  result=1
  for file in "$directory"/*/postmaster.pid; do
    read -r pid <"$file" || continue
    case "$(command_line "$pid") " in
      *" -D $(dirname "$file") "*) kill -s "$1" "$pid" && result=0 ;;
    esac
  done
  return $result
}

# A server that was killed leaves a segment of System V shared memory. Its pid file names it in the seventh line.
remove_shared_memory() {
  for file in "$directory"/*/postmaster.pid; do
    segment=$(sed -n '7s/^ *[0-9]* *//p' "$file")
    [ -z "$segment" ] || ipcrm -m "$segment"
  done
}

read -r _
tries=0
while signal_servers QUIT && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
signal_servers KILL
remove_shared_memory
tries=0
until rm -rf "$directory" || [ $tries -eq 50 ]; do tries=$((tries + 1)); sleep 0.1; done
[ ! -e "$directory" ]
`;
