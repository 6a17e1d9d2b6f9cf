/** How much is measured. */
export interface Extent {
  readonly isQuick: boolean;
}
