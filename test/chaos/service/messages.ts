/** What the process of the service is told to do. */
export type Command =
  | { readonly name: 'block'; readonly ms: number }
  | { readonly name: 'read heap' }
  | { readonly name: 'close' };

/** What it tells, one at a time. */
export interface Reply {
  /** It listens. */
  readonly url?: string;
  readonly heapBytes?: number;
  /** Of Node.js: of too many listeners, for instance. */
  readonly warning?: string;
}
