import { byId, make } from './dom.js';
import { KIND_NAMES, KINDS, makeSymbol } from './kinds.js';

/** Says what the timeline's symbols mean. */
export function showLegend() {
  const legend = byId('legend', HTMLElement);
  /** @param {Element} symbol @param {string} name @param {string} says */
  const add = (symbol, name, says) => {
    legend.append(make('li', {}, symbol, make('b', {}, name), make('span', {}, says)));
  };
  for (const kind of KIND_NAMES) add(makeSymbol(kind), kind, KINDS[kind].says);
  const line = make('span', { className: 'symbol line', ariaHidden: 'true' });
  add(line, 'lag', 'of the standby, measured');
  const bars = make('span', { className: 'symbol bars', ariaHidden: 'true' });
  add(bars, 'late reads', 'at the right: how long they took, and the lag');
}
