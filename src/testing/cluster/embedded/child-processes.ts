import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** The pids of a process's direct children, as far as the system tells. */
export async function listChildProcesses(parent: number): Promise<number[]> {
  return (
    await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8').catch(() => askPs(parent))
  )
    .split(/\s+/)
    .filter((pid) => pid !== '')
    .map(Number);
}

/** For systems without Linux's `/proc`, macOS among them. */
async function askPs(parent: number): Promise<string> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=']);
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, ppid]) => Number(ppid) === parent)
    .map(([pid]) => pid)
    .join(' ');
}
