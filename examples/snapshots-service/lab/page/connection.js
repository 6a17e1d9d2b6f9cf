import { byId, setText } from './dom.js';

/** What the page says of its connection to the server. */
const STATES = {
  live: { name: 'Live', notice: '', announcement: 'Connected again.' },
  lost: {
    name: 'Disconnected',
    notice: 'The connection to the service is lost. Trying again every second…',
    announcement: 'Disconnected. Trying again.',
  },
  recorded: { name: 'Recording', notice: '', announcement: 'The recording goes on.' },
  held: {
    name: 'Paused',
    notice: 'Paused: the page stands still.',
    announcement: 'Paused. Resume is a button.',
  },
  idle: {
    name: 'Paused',
    notice: 'Paused: nobody has touched this page for ten minutes.',
    announcement: 'Paused. Resume is a button.',
  },
};

/**
 * Shows how the connection is. Without one, nothing can be played or set.
 *
 * @param {(text: string) => void} announce
 * @param {() => void} onHold - hears that the page is to stand still
 * @param {() => void} onResume
 * @returns {(state: keyof typeof STATES) => void}
 */
export function showConnection(announce, onHold, onResume) {
  const pill = byId('connection', HTMLElement);
  const notice = byId('notice', HTMLElement);
  const resume = byId('resume', HTMLButtonElement);
  const hold = byId('hold', HTMLButtonElement);
  const stop = byId('stop', HTMLButtonElement);
  const desk = byId('desk', HTMLElement);
  /** @type {HTMLElement | null} */
  let focused = null;
  resume.addEventListener('click', onResume);
  hold.addEventListener('click', onHold);

  return (state) => {
    const was = pill.dataset['state'];
    if (state === was) return;
    const { name, notice: text, announcement } = STATES[state];
    pill.dataset['state'] = state;
    setText(byId('connection-text', HTMLElement), name);
    setText(byId('notice-text', HTMLElement), text);
    const isOn = state === 'live' || state === 'recorded';
    const isPressed = [hold, resume].some((button) => button === document.activeElement);
    notice.hidden = isOn;
    resume.hidden = isOn || state === 'lost';
    hold.hidden = !isOn;
    stop.disabled = !isOn;
    if (isPressed) (isOn ? hold : resume).focus();
    // What is inert loses the focus, which is to be where it was.
    if (!isOn) focused = desk.querySelector(':focus');
    desk.inert = !isOn;
    if (isOn) focused?.focus();
    if (was !== 'connecting') announce(announcement);
  };
}
