/** @import { LabPoll } from '../lab-poll.ts' */
import { byId, make, setText } from './dom.js';
import { formatMs } from './format.js';
import { kindOf, makeSymbol } from './kinds.js';
import { moralOf } from './moral.js';
import { rungsOf } from './rungs.js';

/** Tells how one poll went: each rung of the ladder, with a bar for its time. */
export function showStory() {
  const line = byId('story-line', HTMLElement);
  const which = byId('story-which', HTMLElement);
  const ladder = byId('ladder', HTMLElement);
  const rungs = ['replica', 'wait', 'replica_retry', 'primary'].map((name) => {
    const bar = make('span', { className: 'bar' });
    const says = make('span', { className: 'says' });
    const time = make('span', { className: 'time' });
    const track = make('span', { className: 'track', ariaHidden: 'true' }, bar);
    const item = make('li', {}, make('span', { className: 'name' }, name), track, time, says);
    item.dataset['answer'] = 'none';
    ladder.append(item);
    return { item, bar, says, time };
  });

  const tellNothing = () => {
    shownId = undefined;
    setText(which, '');
    line.replaceChildren('No poll yet.');
    for (const { item, says, time } of rungs) {
      item.dataset['answer'] = 'none';
      says.textContent = time.textContent = '';
    }
  };

  /** @type {string | undefined} */
  let shownId;
  /** @param {LabPoll | undefined} poll @param {number} now */
  return (poll, now) => {
    if (poll === undefined) {
      if (shownId !== undefined) tellNothing();
      return;
    }
    const kind = kindOf(poll);
    const ago = Math.max(0, (now - poll.at) / 1000).toFixed(1);
    setText(which, `#${poll.id} in “${poll.lane}”, ${ago} s ago`);
    if (shownId !== `${poll.id} ${poll.lane}`) {
      const moral = ` in ${formatMs(poll.durationMs)}. ${moralOf(poll)}`;
      line.replaceChildren(makeSymbol(kind), make('strong', {}, kind), moral);
    }
    shownId = `${poll.id} ${poll.lane}`;
    for (const [index, rung] of rungsOf(poll).entries()) {
      const shown = rungs[index];
      if (shown === undefined) continue;
      const { startMs, endMs, says, answer } = rung;
      const { item, bar, time } = shown;
      const isClimbed = startMs !== undefined && endMs !== undefined;
      item.dataset['answer'] = answer;
      setText(shown.says, says);
      setText(time, isClimbed ? formatMs(endMs - startMs) : '–');
      if (!isClimbed) continue;
      const total = Math.max(poll.durationMs, endMs);
      bar.style.insetInlineStart = `${(startMs / total) * 100}%`;
      bar.style.inlineSize = `${((endMs - startMs) / total) * 100}%`;
    }
  };
}
