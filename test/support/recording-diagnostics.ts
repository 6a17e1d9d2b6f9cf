import { diag, DiagLogLevel } from '@opentelemetry/api';

/** Takes OpenTelemetry's diagnostics over, and keeps the errors that it is told of. `diag.disable()` ends that. */
export function recordDiagnostics(): unknown[][] {
  const errors: unknown[][] = [];
  const logger = { error: (...entry: unknown[]) => void errors.push(entry) };
  diag.setLogger(
    { ...logger, warn: ignore, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
  return errors;
}

function ignore(): void {}
