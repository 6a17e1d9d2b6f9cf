/** @import { LabState } from '../lab-state.ts' */
/** @import { LabNews } from '../lab-record.ts' */
import { showCaption } from './caption.js';
import { showConnection } from './connection.js';
import { showControls } from './controls.js';
import { byId, setText } from './dom.js';
import { noteFocus } from './focus.js';
import { formatMs } from './format.js';
import { kindOf } from './kinds.js';
import { showLanes } from './lanes.js';
import { showLegend } from './legend.js';
import { readLink, writeLink } from './link.js';
import { moralOf } from './moral.js';
import { watchPresence } from './presence.js';
import { Recent } from './recent.js';
import { createRecording } from './recording.js';
import { showReload } from './reload.js';
import { showScenes } from './scene-list.js';
import { createSelection } from './selection.js';
import { send } from './server.js';
import { showStory } from './story.js';
import { createStream } from './stream.js';

/** The scenes that were recorded, on a page that has no server behind it. */
const recorded = document.documentElement.dataset['recordings']?.split(' ');
const recent = new Recent();
/** @type {LabState | undefined} */
let state;
/** Whether the server is still telling what happened before. */
let isLoading = false;

const announcer = byId('announcer', HTMLElement);
/** @param {string} text */
const announce = (text) => setText(announcer, text);

showLegend();
showReload();
byId('reload', HTMLElement).hidden = recorded !== undefined;
const selection = createSelection(recent, (poll) => {
  if (poll !== undefined)
    announce(`${kindOf(poll)} in ${formatMs(poll.durationMs)}. ${moralOf(poll)}`);
  onView();
});
const lanes = showLanes(recent, {
  selected: () => selection.current(),
  onSelect: (poll) => selection.select(poll),
  onChoose: (lane) => selection.setLane(lane),
});
const tellStory = showStory();
const draw = () => {
  lanes.draw();
  tellStory(selection.current(), recent.now);
};
const onView = () => {
  lanes.choose(selection.lane);
  if (state !== undefined && link === undefined) {
    writeLink(state, { lane: selection.lane, skipHits: skipHits.checked });
  }
  draw();
};
const skipHits = byId('skip-hits', HTMLInputElement);

/** @param {string | null} name */
const play = async (name) => {
  if (recorded === undefined) onState(await send('POST', 'lab/scene', { name }));
  else if (name !== null) await recording.play(name);
  else {
    recording.stop();
    lanes.repaint();
  }
};
const scenes = showScenes(play);
const controls = showControls(async (patch) => onState(await send('PATCH', 'lab/settings', patch)));
const showState = showCaption(() => void scenes.press(null), announce);

/** What the page's link wants, until it is so. */
let link = readLink();
addEventListener('hashchange', () => {
  link = readLink();
  void followLink();
});
const followLink = async () => {
  if (link === undefined || state === undefined) return;
  const { settings, scene, lane, skipHits: skips } = link;
  const { standby, traffic } = state.obstacles;
  const isInTheWay = recorded === undefined && traffic !== null;
  if (isInTheWay && scene !== (state.playing?.name ?? null)) return;
  link = undefined;
  skipHits.checked = skips;
  const known = state.lanes.find(({ name }) => name === lane)?.name ?? 'catch-up';
  selection.setLane(known);
  const { lagMs, paused, ...others } = { ...state.defaults, ...settings };
  const allowed = standby === null ? { lagMs, paused, ...others } : others;
  if (traffic === null) await controls.set(allowed);
  if (scene !== null && scene !== state.playing?.name) await scenes.press(scene);
};

/** @param {LabState} newState */
const onState = (newState) => {
  state = newState;
  const keepFocus = noteFocus();
  lanes.show(newState.lanes);
  byId('main', HTMLElement).classList.remove('unknown');
  controls.show(newState);
  scenes.show(newState);
  showState(newState);
  const when = recorded === undefined ? 'Running' : 'Recorded';
  setText(byId('servers', HTMLElement), `${when} on ${newState.servers}.`);
  keepFocus();
  void followLink();
  onView();
};

const paintConnection = showConnection(
  announce,
  () => presence.hold(),
  () => presence.look(),
);
const listener = {
  onState,
  /** @param {LabNews} news @param {boolean} isHistory */
  onNews(news, isHistory) {
    if (isHistory) {
      recent.clear();
      isLoading = true;
    }
    recent.add(news);
    if (isHistory) lanes.repaint();
    else lanes.add(news.polls);
    if (isLoading && !news.isPart) selection.checkAgain();
    isLoading &&= news.isPart;
    if (!news.isPart) lanes.tellTotals();
    paintConnection(recorded === undefined ? 'live' : 'recorded');
  },
  onLost() {
    recent.stop();
    paintConnection('lost');
  },
};
const linked = recorded?.find((name) => name === link?.scene);
if (link !== undefined && recorded !== undefined) link = { ...link, scene: null };
const recording = createRecording(linked ?? recorded?.[0] ?? '', listener, () => recent.stop());
const source = recorded === undefined ? createStream(listener) : recording;
// A browser opens six connections to a host: tabs that nobody looks at would take all of them, and keep the lab at work.
const presence = watchPresence((is) => {
  if (is === 'here') {
    source.open();
    // A recording that has ended has no news.
    if (recorded !== undefined && state !== undefined) paintConnection('recorded');
    return;
  }
  source.close();
  recent.stop();
  if (is !== 'hidden') paintConnection(is);
});

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');
let drawnAt = -Infinity;
/** @param {number} time */
const animate = (time) => {
  lanes.paintMore();
  if (time - drawnAt >= (reducedMotion.matches ? 1000 : 100)) {
    drawnAt = time;
    draw();
  }
  requestAnimationFrame(animate);
};
requestAnimationFrame(animate);
