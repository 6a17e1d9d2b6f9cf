/** @type {HTMLElement | undefined} */
let lost;

/**
 * Notes what has the focus, because what is disabled loses it.
 *
 * @returns {() => void} gives the focus back, as soon as what had it is enabled again and nothing else has it
 */
export function noteFocus() {
  const { activeElement } = document;
  return () => {
    if (activeElement instanceof HTMLElement && activeElement.matches(':disabled')) {
      lost = activeElement;
    } else if (lost !== undefined && !lost.matches(':disabled')) {
      if (activeElement === document.body) lost.focus();
      lost = undefined;
    }
  };
}
