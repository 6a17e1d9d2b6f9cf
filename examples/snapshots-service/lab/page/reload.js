import { byId, setText, showText } from './dom.js';
import { request } from './server.js';

/** The header that carries a session from one request to the next. */
const POSITION = 'X-Position';

/** The button that saves a description and lists it at once, with a session and without one. */
export function showReload() {
  const button = byId('save', HTMLButtonElement);
  const error = byId('save-error', HTMLElement);
  const lists = byId('lists', HTMLElement);

  const press = async () => {
    button.disabled = true;
    try {
      const { saved, alone, inSession } = await saveAndList();
      tell('list-alone', saved, alone);
      tell('list-session', saved, inSession);
      showText(error, null);
      lists.hidden = false;
    } catch (problem) {
      showText(error, problem instanceof Error ? problem.message : String(problem));
    }
    button.disabled = false;
  };
  button.addEventListener('click', () => void press());
}

async function saveAndList() {
  const { answer: draft } = await request('POST', 'lab/draft');
  const list = `runs/${draft.runId}/snapshots`;
  const description = `Saved at ${new Date().toISOString().slice(0, 23).replace('T', ' ')}`;
  const saved = await request('PATCH', `${list}/${draft.snapshotId}`, { body: { description } });
  const position = saved.headers.get(POSITION) ?? '';
  const [alone, inSession] = await Promise.all([
    request('GET', list),
    request('GET', list, { headers: { [POSITION]: position } }),
  ]);
  return { saved: description, alone, inSession };
}

/**
 * @param {string} id
 * @param {string} saved
 * @param {{ answer: any, headers: Headers }} list
 */
function tell(id, saved, { answer, headers }) {
  const { description } = answer.snapshots[0];
  const [outcome = '', duration = ''] = (headers.get('Server-Timing') ?? '').split(';dur=');
  const isOld = description < saved;
  const item = byId(id, HTMLElement);
  item.classList.toggle('old', isOld);
  const age = isOld ? 'The old one' : 'The new one';
  const servedBy = SERVED.get(outcome) ?? outcome;
  setText(item, `${age}: “${description}”. ${servedBy}, ${duration} ms.`);
}

const SERVED = new Map([
  ['replica', 'From the replica'],
  ['replica_retry', 'From the replica, when it had caught up'],
  ['primary', 'From the primary'],
]);
