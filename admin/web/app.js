// The page: one store, filled by one connection, shown at most once a frame of the screen.
import {Actions} from './actions.js';
import {Nodes, Vips} from './cluster.js';
import {Connection} from './connection.js';
import {Dhcp} from './dhcp.js';
import {byId, el, set, setTag, text} from './dom.js';
import {Drills} from './drills.js';
import {Events} from './events.js';
import {clock, duration, plural} from './format.js';
import {Headline} from './headline.js';
import {Listeners, Servers} from './panels.js';
import {Store} from './store.js';
import {Topology} from './topology.js';
import {drillResult, holderOf, lastChange, problems, sentence, verdict} from './verdict.js';

const REPORT_STUCK_MS = 3000;
const THEMES = ['system', 'light', 'dark'];
const SHORTCUTS = [
  ['1', 'State of the node', 'verdict'], ['2', 'Path of a connection', 't-topology'], ['3', 'Servers', 't-pools'],
  ['4', 'Virtual IPs', 't-vips'], ['5', 'Nodes', 't-nodes'], ['6', 'Events', 't-events'], ['/', 'Filter events'],
  ['t', 'Light, dark or as the system'], ['?', 'This list'], ['Esc', 'Close a dialog'],
];

const store = new Store();
const actions = new Actions(store);
const view = {
  headline: new Headline(store), topology: new Topology(byId('topology'), byId('topology-note')), listeners: new Listeners(store),
  events: new Events(store), drills: new Drills(store),
};
let drawn = false;
let who = '';

/** The parts with actions, made when it is known who is looking: a viewer's page has none in it. Another role after a reconnect: anew. */
function buildFor(role) {
  who = role;
  for (const id of ['pools', 'vips', 'nodes', 'dhcp']) {
    byId(id).replaceChildren();
    byId(id).keyedChildren = undefined;
  }
  view.servers = new Servers(store, actions);
  view.vips = new Vips(store, actions);
  view.nodes = new Nodes(store, actions);
  view.dhcp = new Dhcp(store, actions);
}

function takeHello(message) {
  const another = store.hello && store.hello.node !== message.node;
  store.takeHello(message);
  if (message.caller.role !== who) buildFor(message.caller.role);
  if (another) view.events.showAll();
  view.drills.load();
}

function takeEvent(event) {
  if (!store.takeEvent(event)) return;
  view.events.take(event);
  if (drillResult(event)) view.drills.load();
}

/** A frame of kind 'lost' says nothing that the events' numbers do not say (Store.takeEvent). */
function frame(message) {
  if (message.type === 'hello') takeHello(message);
  else if (message.type === 'event') takeEvent(message.event);
  else if (message.type === 'status') {
    announce(store.status, message.status);
    store.takeStatus(message.status);
  }
  draw();
}

function draw() {
  if (drawn) return;
  drawn = true;
  // A hidden tab has no frames; its rows must not pile up.
  (document.hidden ? setTimeout : requestAnimationFrame)(() => {
    drawn = false;
    show();
  });
}

function show() {
  view.events.show();
  if (!store.status) return;
  const {status} = store;
  const stuck = connection.state.kind === 'live' && Date.now() - store.freshAt > REPORT_STUCK_MS;
  const broken = problems(status, {reportStuck: stuck});
  const change = lastChange(store.events);
  view.headline.show(verdict(status, broken), broken, change && {event: change, words: sentence(change)});
  for (const part of [view.servers, view.listeners, view.vips, view.nodes, view.dhcp]) part.show();
  view.topology.show(store);
  text(byId('node'), status.node);
  const nodes = status.cluster ? plural(status.cluster.nodes.length, 'node') : 'standalone';
  text(byId('about'), `${nodes} · version ${status.version} · ${status.engine} · up ${duration(status.uptime_s)}`);
  const dropped = status.log_lines_dropped ? ` · ${plural(status.log_lines_dropped, 'log line')} dropped` : '';
  const {config} = status;
  text(byId('foot'), `Configuration ${config.file} · ${config.hash.slice(0, 12)} · ${plural(config.reloads, 'reload')}${dropped}`);
  document.title = `${{ok: '✓', warn: '!', bad: '✕'}[byId('headline').dataset.kind] ?? ''} ${status.node} – Fairlead`;
  const {hello} = store;
  setTag(byId('caller'), 'plain', hello.caller.role, hello.caller.role === 'operator' ? 'tool' : 'info');
  set(byId('caller'), 'title', `${hello.caller.name}: ${store.operator ? 'may change things' : 'may look, not change'}`);
  set(document.body, 'data-shown', 'yes');
}

/** For who does not see the screen: what matters, in a sentence, once. */
function announce(before, now) {
  if (!before) return;
  const said = [];
  for (const v of now.vips) {
    const old = before.vips.find((o) => o.name === v.name);
    const {holder, known} = holderOf(now, v);
    if (!old || holderOf(before, old).holder === holder) continue;
    const nobody = known ? `VIP ${v.name} is held by no node` : `It is no longer known here who holds VIP ${v.name}`;
    said.push(holder ? `VIP ${v.name} is now held by ${holder}` : nobody);
  }
  for (const p of now.pools) {
    for (const s of p.servers) {
      const old = before.pools.find((o) => o.name === p.name)?.servers.find((o) => o.name === s.name);
      if (old && old.state !== s.state) said.push(`Server ${s.name} is ${s.state}`);
    }
  }
  if (before.cluster && now.cluster && before.cluster.quorate !== now.cluster.quorate) {
    said.push(now.cluster.quorate ? 'Quorum is back' : 'Quorum is lost');
  }
  if (said.length) text(byId('announce'), said.join('. '));
}

function linkState(state) {
  const now = Date.now();
  const node = byId('link');
  const shown = store.statusAt ? `What is shown is of ${clock(store.statusAt)} (${duration((now - store.statusAt) / 1000)} ago)`
    : 'Nothing has been received yet';
  let old = null;
  if (state.kind === 'live') setTag(node, 'ok', 'live');
  else if (state.kind === 'connecting') setTag(node, 'idle', 'connecting');
  else if (state.kind === 'stale') {
    setTag(node, 'warn', `stale since ${clock(state.since)}`);
    old = `Nothing has come from the node since ${clock(state.since)}. ${shown}.`;
  } else {
    const seconds = Math.max(0, Math.ceil((state.until - now) / 1000));
    setTag(node, 'bad', `reconnecting in ${seconds} s`);
    old = `The connection to the node is lost: it stopped, it cannot be reached, or it has watchers enough. ${shown}.`;
  }
  set(document.body, 'data-link', state.kind);
  if (state.kind === 'live') byId('stale').hidden = true;
  else if (old) {
    text(byId('stale'), old);
    byId('stale').hidden = false;
  }
  draw();
}

// ---- theme, keyboard ----
/** Private windows may have no storage; then the choice lasts as long as the page. */
const kept = {
  get: () => { try { return localStorage.getItem('theme'); } catch { return null; } },
  set: (value) => { try { localStorage.setItem('theme', value); } catch { /* as said above */ } },
};

function theme(choice) {
  if (choice === 'system') document.documentElement.removeAttribute('data-theme');
  else document.documentElement.setAttribute('data-theme', choice);
  byId('theme').replaceChildren(el('span.roomy', {}, 'Theme: '), choice);
  kept.set(choice);
}

function nextTheme() {
  const now = document.documentElement.getAttribute('data-theme') ?? 'system';
  theme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (event.target.matches('input, select, textarea')) {
    if (event.key === 'Escape') event.target.blur();
    return;
  }
  const place = SHORTCUTS.find(([key, , id]) => id && key === event.key)?.[2];
  if (place) {
    byId(place).scrollIntoView({block: 'start'});
    byId(place).focus({preventScroll: true});
  } else if (event.key === '/') byId('events-text').focus();
  else if (event.key === 't' || event.key === 'T') nextTheme();
  else if (event.key === '?') byId('shortcuts').showModal();
  else return;
  event.preventDefault();
}

theme(THEMES.includes(kept.get()) ? kept.get() : 'system');
byId('theme').onclick = nextTheme;
byId('help').onclick = () => byId('shortcuts').showModal();
byId('shortcut-list').append(...SHORTCUTS.flatMap(([key, what]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, what)]));
addEventListener('keydown', keys);
setInterval(draw, 1000);   // Ages go on also when nothing comes.

const connection = new Connection({frame, state: linkState});
connection.start();

/** For tests and the curious, in the console: how much the page keeps. */
globalThis.fairlead = {sizes: () => ({...store.sizes(), elements: document.querySelectorAll('*').length}), frame};
