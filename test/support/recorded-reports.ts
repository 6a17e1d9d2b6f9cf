import type { ReadReport } from 'kysely-replica-fallback';

interface RecordedReports {
  readonly reports: ReadReport[];
  readonly onOutcome: (report: ReadReport) => void;
}

/** An `onOutcome` that keeps what it hears. */
export function recordReports(): RecordedReports {
  const reports: ReadReport[] = [];
  return { reports, onOutcome: (report) => void reports.push(report) };
}
