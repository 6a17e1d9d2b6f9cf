/** @import { LabState } from '../lab-state.ts' */
import { showConnection } from './connection.js';
import { showControls } from './controls.js';
import { byId, setText } from './dom.js';
import { showLegend } from './legend.js';
import { watchPresence } from './presence.js';
import { Recent } from './recent.js';
import { showReload } from './reload.js';
import { showScenes } from './scene-list.js';
import { createSelection } from './selection.js';
import { showStory } from './story.js';
import { createStream } from './stream.js';
import { showTiles } from './tiles.js';
import { showTimeline } from './timeline.js';

const recent = new Recent();
/** @type {LabState | undefined} */
let state;

const announcer = byId('announcer', HTMLElement);
/** @param {string} text */
const announce = (text) => setText(announcer, text);

showLegend();
showReload();
const selection = createSelection(recent, () => draw());
const drawTiles = showTiles(recent);
const tellStory = showStory();
const drawTimeline = showTimeline(recent, {
  settings: () => state?.settings,
  selected: () => selection.current(),
  onSelect(poll) {
    selection.select(poll);
    byId('story', HTMLElement).scrollIntoView({ block: 'nearest' });
  },
});
const draw = () => {
  drawTimeline();
  tellStory(selection.current(), recent.now);
};

/** @param {LabState} newState */
const onState = (newState) => {
  state = newState;
  paintControls(newState);
  paintScenes(newState);
  setText(byId('servers', HTMLElement), `Running on ${newState.servers}.`);
};
const paintControls = showControls((newState) => onState(newState));
const paintScenes = showScenes((newState) => onState(newState), announce);

const paintConnection = showConnection(announce, () => look());
const stream = createStream({
  onState,
  onNews(news, isHistory) {
    if (isHistory) recent.clear();
    recent.add(news);
    if (isHistory) selection.checkAgain();
    drawTiles();
    paintConnection('live');
  },
  onLost() {
    recent.stop();
    paintConnection('lost');
  },
});
// A browser opens six connections to a host: tabs that nobody looks at would take all of them, and keep the lab at work.
const look = watchPresence((presence) => {
  if (presence === 'here') return stream.open();
  stream.close();
  recent.stop();
  if (presence === 'idle') paintConnection('paused');
});

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
let drawnAt = -Infinity;
/** @param {number} time */
const animate = (time) => {
  if (time - drawnAt >= (reducedMotion.matches ? 1000 : 100)) {
    drawnAt = time;
    draw();
  }
  requestAnimationFrame(animate);
};
requestAnimationFrame(animate);
