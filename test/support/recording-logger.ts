import type { ReadReport, ReplicaFallbackLogger } from 'kysely-replica-fallback';

interface RecordingLogger extends ReplicaFallbackLogger {
  readonly lines: { level: 'warn' | 'error'; message: string; fields: ReadReport }[];
}

/** A logger that keeps its lines. */
export function recordingLogger(): RecordingLogger {
  const lines: RecordingLogger['lines'] = [];
  return {
    lines,
    warn: (message, fields) => lines.push({ level: 'warn', message, fields }),
    error: (message, fields) => lines.push({ level: 'error', message, fields }),
  };
}
