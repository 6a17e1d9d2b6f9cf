import { diag, DiagLogLevel } from '@opentelemetry/api';

/**
 * Takes OpenTelemetry's diagnostics over, and keeps the errors, or the warnings, that it is told of. `diag.disable()` ends
 * that.
 */
export function recordDiagnostics(kept: 'error' | 'warn' = 'error'): unknown[][] {
  const entries: unknown[][] = [];
  const ignored = { error: ignore, warn: ignore, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(
    { ...ignored, [kept]: (...entry: unknown[]) => void entries.push(entry) },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  return entries;
}

function ignore(): void {}
