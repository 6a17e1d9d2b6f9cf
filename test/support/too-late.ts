import { expect } from 'vitest';

/**
 * How a wait ends that takes the whole window: on a machine that stands still for a while, a read can see that the window is
 * over before its timer says so.
 */
export const TOO_LATE: unknown = expect.stringMatching(/^(late|hopeless)$/);
