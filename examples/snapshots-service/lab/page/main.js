/** @import { LabState } from '../lab-state.ts' */
import { showControls } from './controls.js';
import { byId, setText, showText } from './dom.js';
import { showLegend } from './legend.js';
import { Recent } from './recent.js';
import { showScenes } from './scene-list.js';
import { createSelection } from './selection.js';
import { showStory } from './story.js';
import { listenToServer } from './stream.js';
import { showTiles } from './tiles.js';
import { showTimeline } from './timeline.js';

const recent = new Recent();
/** @type {LabState | undefined} */
let state;

const announcer = byId('announcer', HTMLElement);
/** @param {string} text */
const announce = (text) => setText(announcer, text);

showLegend();
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
  const poll = selection.current();
  if (poll !== undefined) tellStory(poll, recent.now);
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

const connection = byId('connection', HTMLElement);
const connectionText = byId('connection-text', HTMLElement);
const notice = byId('notice', HTMLElement);
/** @param {boolean} isLive */
const showConnection = (isLive) => {
  const was = connection.dataset['state'];
  connection.dataset['state'] = isLive ? 'live' : 'lost';
  setText(connectionText, isLive ? 'Live' : 'Disconnected');
  showText(
    notice,
    isLive ? null : 'The connection to the service is lost. Trying again every second…',
  );
  if (was === 'live' && !isLive) announce('Disconnected. Trying again.');
  if (was === 'lost' && isLive) announce('Connected again.');
};

listenToServer({
  onState,
  onNews(news, isHistory) {
    if (isHistory) {
      recent.clear();
      selection.clear();
    }
    recent.add(news);
    drawTiles();
    showConnection(true);
  },
  onLost() {
    recent.stop();
    showConnection(false);
  },
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
