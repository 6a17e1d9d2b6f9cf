import { diagnose } from '../instruments.ts';

/** Tells OpenTelemetry's `diag` why a server's position is not known: once, until it is known again. */
export class DoubtLog {
  #hasTold = false;

  tell(reason: string, error?: unknown): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    diagnose(`${reason} Reads that miss wait as without \`catchUp\`.`, error);
  }

  clear(): void {
    this.#hasTold = false;
  }
}
