/** The colours of the style sheet, as the canvas needs them. */
export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  /** @param {string} name */
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: colour('ink-soft'),
    surface: colour('surface'),
    grid: colour('grid'),
    lag: colour('lag'),
    band: colour('band'),
    bandInk: colour('band-ink'),
    gap: colour('gap'),
    focus: colour('focus'),
    kinds: {
      replica: colour('replica'),
      replica_retry: colour('replica-retry'),
      primary: colour('primary'),
      not_found: colour('not-found'),
      lie: colour('lie'),
      error: colour('error'),
    },
    font: `12px ${style.fontFamily}`,
    canvasFont: `600 ${12 * devicePixelRatio}px ${style.fontFamily}`,
  };
}
