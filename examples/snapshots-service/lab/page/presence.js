/** Long enough to look at something in peace, and much shorter than a night. */
const IDLE_MS = 10 * 60_000;

/**
 * Whether somebody looks at the page. `idle` when nobody has touched it for ten minutes, and `held` when somebody wants
 * it to stand still.
 *
 * @typedef {'here' | 'hidden' | 'idle' | 'held'} Presence
 */

/**
 * Tells whether somebody looks: at once, and whenever it changes.
 *
 * @param {(presence: Presence) => void} onChange
 * @returns what takes it that somebody does, if the page is to be seen, and what holds it
 */
export function watchPresence(onChange) {
  /** @type {Presence | undefined} */
  let presence;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let idle;
  /** @param {Presence} next */
  const set = (next) => {
    clearTimeout(idle);
    if (next === 'here') idle = setTimeout(() => set('idle'), IDLE_MS);
    if (next === presence) return;
    presence = next;
    onChange(next);
  };
  const look = () => set(document.hidden ? 'hidden' : 'here');
  document.addEventListener('visibilitychange', () => presence !== 'held' && look());
  for (const touch of ['pointerdown', 'keydown', 'wheel']) {
    document.addEventListener(touch, () => presence === 'here' && look(), { passive: true });
  }
  look();
  return { look, hold: () => set('held') };
}
