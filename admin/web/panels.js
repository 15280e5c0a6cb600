// What is balanced: pools with their servers, and listeners. Each shows the newest status; rows are kept by name.
import {byId, el, keyed, set, setTag, text} from './dom.js';
import {bytes, count, duration, ms, plural, rate, words} from './format.js';
import {serverKey} from './store.js';
import {cells, pair, showPair, table} from './tables.js';
import {checkWords, usable} from './verdict.js';

const SERVER_STATES = {
  up: ['ok', 'up'], down: ['bad', 'down'], drain: ['hold', 'draining'], maint: ['hold', 'maintenance', 'tool'],
  unknown: ['idle', 'not known yet'],
};
const SPARK = {width: 96, height: 24};
const SERVER_COLUMNS = [
  ['name', 'Server', 'head'], ['state', 'State'], ['load', 'Connections', 'number'], ['bytes', 'Bytes', 'number'], ['check', 'Check'],
];
const LISTENER_COLUMNS = [
  ['name', 'Listener', 'head'], ['state', 'State'], ['load', 'Connections', 'number'], ['bytes', 'Bytes', 'number'],
  ['shed', 'Shed', 'number'],
];

const most = (counts) => {
  const limit = counts.max_connections ? `limit ${count(counts.max_connections)}` : 'no limit';
  return `${count(counts.peak_connections)} at once so far, ${limit}`;
};
const totals = ({connections, bytes: b}) => `in all: ${count(connections.total)} connections, ${bytes(b.in)} in, ${bytes(b.out)} out`;

const bytesOf = (store, key) => ['in', 'out'].map((way) => `${way} ${bytes(store.rate(`${key}:${way}`))}/s`);

// ---- servers ----
export class Servers {
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.place = byId('pools');
    this.columns = store.operator ? [...SERVER_COLUMNS, ['actions', 'Actions']] : SERVER_COLUMNS;
  }

  show() {
    const {pools} = this.store.status;
    const all = pools.reduce((n, p) => n + p.servers.length, 0);
    const up = pools.reduce((n, p) => n + usable(p), 0);
    const note = `${up} of ${plural(all, 'server')} ${up === 1 ? 'takes' : 'take'} connections`;
    text(byId('pools-note'), all ? note : 'no pool is configured');
    keyed(this.place, pools, (p) => p.name, (p) => this.#makePool(p), (node, p) => this.#showPool(node, p));
  }

  #makePool(pool) {
    const node = el('div.pool');
    node.head = el('h3', {}, el('span', {}, pool.name), el('span.muted'));
    node.append(node.head);
    node.body = table(node, `Servers of pool ${pool.name}`, this.columns);
    return node;
  }

  #showPool(node, pool) {
    const key = `p:${pool.name}`;
    set(node, 'data-pool', pool.name);
    set(node.head, 'title', `${count(pool.peak_connections)} connections at once so far; ${totals(pool)}`);
    text(node.head.lastElementChild, [
      words(pool.balance), `${count(pool.connections.current)} open`, `${rate(this.store.rate(key))} new/s`,
      ...bytesOf(this.store, key), pool.backups_in_use && 'only backups',
      pool.connect_failures > 0 && plural(pool.connect_failures, 'failed connect'),
    ].filter(Boolean).join(' · '));
    keyed(node.body, pool.servers, (s) => s.name, () => this.#makeServer(), (row, s) => this.#showServer(row, pool, s));
  }

  #makeServer() {
    const row = el('tr');
    const c = cells(row, this.columns);
    c.name.append(el('span.strong'), el('span.sub'));
    c.state.append(el('span.tag'), el('span.sub'));
    c.load.append(...pair());
    c.bytes.append(...pair());
    const line = el('polyline', {class: 'line'});
    const size = {viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, width: SPARK.width, height: SPARK.height};
    const spark = el('svg.spark', {...size, role: 'img'}, line, el('g', {class: 'fails'}));
    c.check.append(el('span.check-line', {}, spark, el('span.ms')), el('span.sub'));
    return row;
  }

  #showServer(row, pool, server) {
    const c = row.parts;
    const key = serverKey(pool.name, server.name);
    set(row, 'data-server', key);
    set(row, 'data-state', server.state);
    text(c.name.firstElementChild, server.name);
    const slow = server.state === 'up' && server.effective_weight !== server.weight;
    const weight = slow ? `weight ${server.effective_weight} of ${server.weight}` : `weight ${server.weight}`;
    const notes = [server.address, weight, server.backup && 'backup', server.added_at_run_time && 'added at run time'];
    text(c.name.lastElementChild, notes.filter(Boolean).join(' · '));
    const [kind, said, sign] = SERVER_STATES[server.state] ?? ['idle', server.state];
    setTag(c.state.firstElementChild, kind, said, sign);
    text(c.state.lastElementChild, `for ${duration(server.state_since_s)}`);
    showPair(c.load, `${count(server.connections.current)} open`, `${rate(this.store.rate(`s:${key}`))} new/s`);
    set(c.load, 'title', most(server));
    showPair(c.bytes, ...bytesOf(this.store, `s:${key}`));
    set(c.bytes, 'title', totals(server));
    const samples = server.check.result === 'none' ? [] : this.store.latency.get(key)?.values ?? [];
    spark(c.check.querySelector('svg'), samples);
    text(c.check.querySelector('.ms'), server.check.result === 'ok' ? ms(server.check.duration_ms) : '');
    text(c.check.querySelector('.sub'), checkWords(server));
    set(c.check, 'title', server.check.detail || null);
    if (c.actions) this.#showActions(c.actions, pool.name, server);
  }

  #showActions(cell, pool, server) {
    if (cell.dataset.for === server.state) return;
    cell.dataset.for = server.state;
    const held = cell.contains(document.activeElement);
    const act = (label, state) => this.actions.button(label, `${label}: ${pool}/${server.name}`, () => {
      const now = this.store.status.pools.find((p) => p.name === pool);
      if (now?.servers.some((s) => s.name === server.name)) this.actions.server(now, server.name, state);
    });
    const out = server.state === 'drain' || server.state === 'maint';
    const buttons = out ? [act('Ready', 'ready')] : [act('Drain', 'drain')];
    if (server.state !== 'maint') buttons.push(act('Maintenance', 'maint'));
    cell.replaceChildren(el('div.actions', {}, ...buttons));
    if (held) buttons[0].focus();
  }
}

/** Check durations of the last minutes; a failed check is a gap with a stroke at the foot. */
function spark(svg, samples) {
  const good = samples.filter((s) => s.ok);
  const most = 1.2 * Math.max(1, ...good.map((s) => s.ms));
  const step = SPARK.width / Math.max(60, samples.length - 1);
  const left = SPARK.width - (samples.length - 1) * step;
  const x = (i) => (left + i * step).toFixed(1);
  const points = [];
  const fails = [];
  samples.forEach((s, i) => {
    if (s.ok) points.push(`${x(i)},${(SPARK.height - 4 - (s.ms / most) * (SPARK.height - 7)).toFixed(1)}`);
    else if (s.checked) fails.push(i);
  });
  set(svg.firstElementChild, 'points', points.join(' '));
  const foot = svg.lastElementChild;
  const path = fails.map((i) => `M${x(i)} ${SPARK.height - 1}v-3`).join('');
  if (!foot.firstElementChild) foot.append(el('path'));
  set(foot.firstElementChild, 'd', path || null);
  set(svg, 'aria-label', samples.length ? spoken(samples, good, fails) : 'no checks');
}

function spoken(samples, good, fails) {
  const span = duration((samples[samples.length - 1].at - samples[0].at) / 1000);
  const worst = good.length ? `up to ${ms(Math.max(...good.map((s) => s.ms)))}` : 'none passed';
  return `Check durations of the last ${span}: ${worst}${fails.length ? `, ${fails.length} samples failed` : ''}`;
}

// ---- listeners ----
export class Listeners {
  constructor(store) {
    this.store = store;
    this.body = table(byId('listeners'), 'Listeners', LISTENER_COLUMNS);
  }

  show() {
    keyed(this.body, this.store.status.listeners, (l) => l.name, () => {
      const row = el('tr');
      const c = cells(row, LISTENER_COLUMNS);
      c.name.append(el('span.strong'), el('span.sub'));
      c.state.append(el('span.tag'), el('span.sub'));
      c.load.append(...pair());
      c.bytes.append(...pair());
      return row;
    }, (row, l) => this.#showListener(row, l));
  }

  #showListener(row, l) {
    const c = row.parts;
    set(row, 'data-listener', l.name);
    text(c.name.firstElementChild, l.name);
    text(c.name.lastElementChild, `${l.bind.join(' ')} → ${l.pool}`);
    const kind = !l.accepting ? 'bad' : l.problem ? 'warn' : 'ok';
    setTag(c.state.firstElementChild, kind, l.accepting ? 'accepts' : 'does not accept');
    text(c.state.lastElementChild, l.problem);
    showPair(c.load, `${count(l.connections.current)} open`, `${rate(this.store.rate(`l:${l.name}`))} new/s`);
    set(c.load, 'title', most(l));
    showPair(c.bytes, ...bytesOf(this.store, `l:${l.name}`));
    set(c.bytes, 'title', totals(l));
    text(c.shed, count(l.connections.shed));
    const causes = Object.entries(l.shed_by_cause).map(([cause, n]) => `${words(cause)}: ${count(n)}`);
    set(c.shed, 'title', causes.join('\n') || null);
  }
}
