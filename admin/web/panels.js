// The tables and lists of the page: virtual IPs, nodes, listeners, servers, drills. Each shows the newest status; rows are kept by name.
import {byId, el, icon, keyed, set, setTag, text} from './dom.js';
import {ago, bytes, clock, count, duration, ms, plural, rate} from './format.js';
import {serverKey} from './store.js';
import {checkWords, usable} from './verdict.js';

const SERVER_STATES = {
  up: ['ok', 'up'], down: ['bad', 'down'], drain: ['hold', 'draining'], maint: ['hold', 'maintenance', 'tool'], unknown: ['idle', 'not known yet'],
};
const SPARK = {width: 96, height: 24};
const HISTORY_SHOWN = 5;

/** A row of a table: cells by name, made once and then written to. */
function cells(row, names) {
  row.parts = Object.fromEntries(names.map(([name, label, kind]) => {
    const cell = el(kind === 'head' ? 'th' : 'td', {'data-label': label, scope: kind === 'head' ? 'row' : null, class: kind === 'number' ? 'number' : null});
    row.append(cell);
    return [name, cell];
  }));
  return row.parts;
}

function table(place, caption, heads) {
  const body = el('tbody');
  place.append(el('table', {}, el('caption.unseen', {}, caption), el('thead', {}, el('tr', {}, ...heads.map(([label, kind]) => el('th', {scope: 'col', class: kind ?? null}, label)))), body));
  return body;
}

// ---- servers ----
export class Servers {
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.place = byId('pools');
  }

  show() {
    const {status} = this.store;
    const all = status.pools.flatMap((p) => p.servers);
    const up = status.pools.reduce((n, p) => n + usable(p).length, 0);
    text(byId('pools-note'), all.length ? `${up} of ${plural(all.length, 'server')} ${up === 1 ? 'takes' : 'take'} connections` : 'no pool is configured');
    keyed(this.place, status.pools, (p) => p.name, (p) => this.#makePool(p), (node, p) => this.#showPool(node, p));
  }

  #makePool(pool) {
    const node = el('div.pool');
    node.head = el('h3', {}, el('span', {}, pool.name), el('span.muted'));
    node.append(node.head);
    const heads = [['Server'], ['State'], ['Open', 'number'], ['New/s', 'number'], ['Check'], ['Weight', 'number']];
    if (this.store.operator) heads.push(['Actions']);
    node.body = table(node, `Servers of pool ${pool.name}`, heads);
    return node;
  }

  #showPool(node, pool) {
    text(node.head.lastElementChild, pool.balance.replaceAll('_', ' '));
    keyed(node.body, pool.servers, (s) => s.name, () => this.#makeServer(), (row, s) => this.#showServer(row, pool, s));
  }

  #makeServer() {
    const row = el('tr');
    const names = [['name', 'Server', 'head'], ['state', 'State'], ['open', 'Open', 'number'], ['rate', 'New/s', 'number'], ['check', 'Check'], ['weight', 'Weight', 'number']];
    if (this.store.operator) names.push(['actions', 'Actions']);
    const c = cells(row, names);
    c.name.append(el('span.strong'), el('span.sub'));
    c.state.append(el('span.tag'), el('span.sub'));
    const line = el('polyline', {class: 'line'});
    c.check.append(el('span.check-line', {}, el('svg.spark', {viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, width: SPARK.width, height: SPARK.height, role: 'img'}, line, el('g', {class: 'fails'})), el('span.ms')), el('span.sub'));
    return row;
  }

  #showServer(row, pool, server) {
    const c = row.parts;
    set(row, 'data-server', serverKey(pool.name, server.name));
    set(row, 'data-state', server.state);
    text(c.name.firstElementChild, server.name);
    const notes = [server.address, server.backup && 'backup', server.added_at_run_time && 'added at run time'].filter(Boolean).join(' · ');
    text(c.name.lastElementChild, notes);
    const [kind, words, sign] = SERVER_STATES[server.state] ?? ['idle', server.state];
    setTag(c.state.firstElementChild, kind, words, sign);
    text(c.state.lastElementChild, `for ${duration(server.state_since_s)}`);
    text(c.open, count(server.connections.current));
    text(c.rate, rate(this.store.rate(`s:${serverKey(pool.name, server.name)}`)));
    text(c.weight, server.effective_weight !== undefined && server.effective_weight !== server.weight && server.state === 'up' ? `${server.effective_weight} of ${server.weight}` : server.weight);
    const checked = server.check.result !== 'none';
    const samples = this.store.latency.get(serverKey(pool.name, server.name))?.values ?? [];
    spark(c.check.querySelector('svg'), checked ? samples : []);
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
  const worst = good.length ? `up to ${ms(Math.max(...good.map((s) => s.ms)))}` : 'none passed';
  set(svg, 'aria-label', samples.length ? `Check durations of the last ${duration((samples[samples.length - 1].at - samples[0].at) / 1000)}: ${worst}${fails.length ? `, ${fails.length} samples failed` : ''}` : 'no checks');
}

// ---- listeners ----
export class Listeners {
  constructor(store) {
    this.store = store;
    this.body = table(byId('listeners'), 'Listeners', [['Listener'], ['State'], ['Open', 'number'], ['New/s', 'number'], ['From clients', 'number'], ['To clients', 'number'], ['Shed', 'number']]);
  }

  show() {
    keyed(this.body, this.store.status.listeners, (l) => l.name, () => {
      const row = el('tr');
      const c = cells(row, [['name', 'Listener', 'head'], ['state', 'State'], ['open', 'Open', 'number'], ['rate', 'New/s', 'number'], ['in', 'From clients', 'number'], ['out', 'To clients', 'number'], ['shed', 'Shed', 'number']]);
      c.name.append(el('span.strong'), el('span.sub'));
      c.state.append(el('span.tag'), el('span.sub'));
      return row;
    }, (row, l) => {
      const c = row.parts;
      set(row, 'data-listener', l.name);
      text(c.name.firstElementChild, l.name);
      text(c.name.lastElementChild, `${l.bind.join(' ')} → ${l.pool}`);
      setTag(c.state.firstElementChild, l.accepting ? (l.problem ? 'warn' : 'ok') : 'bad', l.accepting ? 'accepts' : 'does not accept');
      text(c.state.lastElementChild, l.problem);
      text(c.open, count(l.connections.current));
      text(c.rate, rate(this.store.rate(`l:${l.name}`)));
      text(c.in, `${bytes(this.store.rate(`l:${l.name}:in`))}/s`);
      text(c.out, `${bytes(this.store.rate(`l:${l.name}:out`))}/s`);
      text(c.shed, count(l.connections.shed));
      set(c.shed, 'title', Object.entries(l.shed_by_cause ?? {}).map(([cause, n]) => `${cause.replaceAll('_', ' ')}: ${count(n)}`).join('\n') || null);
    });
  }
}

// ---- virtual IPs ----
export class Vips {
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.place = byId('vips');
    this.none = el('p.muted', {hidden: true}, 'None is configured: the listeners answer on addresses of this machine.');
    this.list = el('ul.plain-list');
    this.place.append(this.none, this.list);
  }

  show() {
    const {vips} = this.store.status;
    this.none.hidden = vips.length > 0;
    keyed(this.list, vips, (v) => v.name, () => this.#make(), (node, v) => this.#show(node, v));
  }

  #make() {
    const parts = {head: el('span.strong'), address: el('span.sub'), tag: el('span.tag'), since: el('span.sub'), detail: el('p.sub'), able: el('ul.able'), history: el('ol.history'), old: el('p.sub')};
    const node = el('li.item.vip', {}, el('div.item-head', {}, el('div', {}, parts.head, parts.address), el('div.right', {}, parts.tag, parts.since)), parts.detail, parts.able,
      el('h3', {}, 'Holders'), parts.history, parts.old);
    node.parts = parts;
    return node;
  }

  #show(node, vip) {
    const p = node.parts;
    set(node, 'data-vip', vip.name);
    set(node, 'data-holder', vip.holder ?? '');
    text(p.head, vip.name);
    text(p.address, `${vip.address} · ${vip.interface}`);
    const kind = vip.holder ? 'ok' : vip.enabled ? 'bad' : 'idle';
    setTag(p.tag, kind, vip.holder ? `held by ${vip.holder}${vip.held_here ? ' (here)' : ''}` : vip.enabled ? 'held by no node' : 'disabled');
    const since = this.store.holderSince(vip.name);
    text(p.since, since ? `${since.exact ? 'since' : 'since before'} ${clock(since.at)} · ${ago(since.at)}` : '');
    const detail = [vip.waits_for, vip.flapping && 'moved too often: stays until its holder is lost', vip.drains_for_ms > 0 && `moves in ${duration(vip.drains_for_ms / 1000)} at most`,
      vip.held_here && vip.lease_ms > 0 && `lease ${ms(vip.lease_ms)} ahead`, `term ${vip.epoch}`].filter(Boolean);
    text(p.detail, detail.join(' · '));
    keyed(p.able, Object.entries(vip.eligible ?? {}), ([name]) => name, () => el('li', {}, el('span.tag')), (item, [name, e]) => {
      setTag(item.firstElementChild, e.ok ? 'ok' : 'idle', e.ok ? `${name} can hold it` : `${name} cannot${e.reason ? `: ${e.reason}` : ''}`);
    });
    const record = this.store.holders.get(vip.name);
    const shown = (record?.changes ?? []).slice(-HISTORY_SHOWN).reverse();
    keyed(p.history, shown, (h) => h.at, (h) => el('li', {}, el('time', {datetime: h.at, title: h.at}), el('span')), (item, h) => {
      text(item.firstElementChild, clock(h.at));
      text(item.lastElementChild, `${h.holder ?? 'no node'}${h.first ? ' (when this page was opened)' : ''}`);
    });
    text(p.old, (record?.changes.length ?? 0) > HISTORY_SHOWN ? `and ${plural(record.changes.length - HISTORY_SHOWN, 'earlier change')}` : '');
    if (this.store.operator && this.store.status.cluster && !p.move) {
      p.move = el('div.actions', {}, this.actions.button('Move…', `Move VIP ${vip.name} to another node`, () => {
        const now = this.store.status.vips.find((v) => v.name === vip.name);
        if (now) this.actions.moveVip(now);
      }));
      node.append(p.move);
    }
  }
}

// ---- nodes ----
export class Nodes {
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.list = el('ul.plain-list');
    byId('nodes').append(this.list);
    this.quorum = byId('quorum');
  }

  show() {
    const {status} = this.store;
    const c = status.cluster;
    if (!c) setTag(this.quorum, 'plain', 'standalone, no cluster');
    else if (c.problem) setTag(this.quorum, 'bad', c.problem);
    else setTag(this.quorum, c.quorate ? 'ok' : 'bad', `${c.quorate ? 'quorate' : 'no quorum'} · ${plural(c.votes, 'vote')}${c.tie_break && c.tie_break !== 'off' ? ` · tie-break ${c.tie_break}` : ''}${c.frozen ? ' · frozen' : ''}`);
    const nodes = c?.nodes ?? [{name: status.node, online: true, standby: false, version: status.version, config_match: true}];
    keyed(this.list, nodes, (n) => n.name, () => this.#make(), (node, n) => this.#show(node, n));
  }

  #make() {
    const parts = {head: el('span.strong'), sub: el('span.sub'), tag: el('span.tag'), actions: el('div.actions')};
    const node = el('li.item.node', {}, el('div.item-head', {}, el('div', {}, parts.head, parts.sub), el('div.right', {}, parts.tag, parts.actions)));
    node.parts = parts;
    return node;
  }

  #show(node, n) {
    const p = node.parts;
    const {status} = this.store;
    const holds = status.vips.filter((v) => v.holder === n.name).map((v) => v.name);
    set(node, 'data-node', n.name);
    text(p.head, n.name);
    const here = n.name === status.node;
    const links = (n.links ?? []).map((l) => `link ${l.link} ${l.up ? 'up' : 'down'}`);
    text(p.sub, [here && 'this node', n.version && `version ${n.version}`, !n.config_match && 'another configuration', here && status.engine, here && `up ${duration(status.uptime_s)}`, ...links].filter(Boolean).join(' · '));
    if (!n.online) setTag(p.tag, 'bad', 'offline');
    else if (n.standby) setTag(p.tag, 'hold', 'standby');
    else setTag(p.tag, n.config_match ? 'ok' : 'warn', holds.length ? `holds ${holds.join(', ')}` : 'online');
    if (!this.store.operator || !status.cluster) return;
    const wanted = n.standby ? 'Set online' : 'Standby';
    if (p.actions.textContent === wanted) return;
    const held = p.actions.contains(document.activeElement);
    const button = this.actions.button(wanted, `${wanted}: node ${n.name}`, () => this.actions.node(n.name, !n.standby));
    p.actions.replaceChildren(button);
    if (held) button.focus();
  }
}

// ---- drills ----
const PLACES = {cluster: 'on the running cluster', lab: 'in the lab', later: 'not in this version'};

export class Drills {
  constructor(store) {
    this.store = store;
    this.body = table(byId('drills'), 'Drills', [['Drill'], ['Where'], ['Promised outage', 'number'], ['Last asked for here']]);
  }

  async load() {
    try {
      const answer = await fetch('/api/v1/drills');
      if (answer.ok) this.store.drills = (await answer.json()).drills;
    } catch { return; }   // The next reconnect asks again; the connection's state is on the screen.
    this.show();
  }

  show() {
    const runs = new Map();
    for (const e of this.store.events) {
      const name = e.id === 'COMMAND_DONE' && /^drill (\S+)/.exec(e.fields.command)?.[1];
      if (name) runs.set(name, e);
    }
    keyed(this.body, this.store.drills ?? [], (d) => d.name, () => {
      const row = el('tr');
      const c = cells(row, [['name', 'Drill', 'head'], ['where', 'Where'], ['bound', 'Promised outage', 'number'], ['last', 'Last asked for here']]);
      c.name.append(el('span.strong'), el('span.sub'));
      c.bound.append(el('span'), el('span.sub'));
      c.last.append(el('span'), el('span.sub'));
      return row;
    }, (row, d) => {
      text(row.parts.name.firstElementChild, d.name);
      text(row.parts.name.lastElementChild, d.what);
      text(row.parts.where, PLACES[d.place] ?? d.place);
      text(row.parts.bound.firstElementChild, d.bound_ms === null ? (d.promise ? '' : '–') : `≤ ${ms(d.bound_ms)}`);
      text(row.parts.bound.lastElementChild, d.promise && d.promise !== '0' ? d.promise : '');
      const run = runs.get(d.name);
      text(row.parts.last.firstElementChild, run ? clock(run.time) : '–');
      text(row.parts.last.lastElementChild, run ? `${run.fields.by}: ${run.fields.result}` : '');
    });
  }
}

// ---- headline ----
export class Headline {
  constructor(store) {
    this.store = store;
    this.broken = byId('broken');
    this.facts = byId('facts');
  }

  show(verdict, broken, change) {
    const section = byId('headline');
    section.dataset.kind = verdict.kind;
    if (byId('verdict-icon').dataset.kind !== verdict.kind) {
      byId('verdict-icon').dataset.kind = verdict.kind;
      byId('verdict-icon').replaceChildren(icon(verdict.kind));
    }
    text(byId('verdict'), verdict.title);
    text(byId('verdict-why'), verdict.why);
    this.#showFacts(change);
    const notes = broken.filter((p) => p.kind === 'info').length;
    text(byId('broken-title'), broken.length === 0 ? 'What is broken' : broken.length === notes ? 'Under way' : `Needs a look (${broken.length - notes})`);
    const seen = this.store.seen(broken.map((p) => p.key));
    const items = broken.length ? broken : [{key: 'nothing', kind: 'ok', what: 'Nothing.', detail: ''}];
    keyed(this.broken, items, (p) => p.key, () => el('li.problem-item', {}, el('span.sign'), el('div', {}, el('span.strong'), ' ', el('span.sub')), el('span.when')), (node, p) => {
      const [sign, body, when] = node.children;
      if (sign.dataset.kind !== p.kind) {
        sign.dataset.kind = p.kind;
        sign.replaceChildren(icon(p.kind), el('span.unseen', {}, {bad: 'broken', warn: 'warning', info: 'note', ok: ''}[p.kind]));
      }
      set(node, 'data-kind', p.kind);
      set(node, 'data-key', p.key);
      text(body.firstElementChild, p.what);
      text(body.lastElementChild, p.detail);
      text(when, p.key === 'nothing' ? '' : this.#when(p, seen.get(p.key)));
    });
  }

  #when(problem, seenAt) {
    if (problem.since_s !== undefined) return `for ${duration(problem.since_s)}`;
    const early = seenAt - this.store.since < 1500;   // It was so when the page came.
    return early ? `since before ${clock(this.store.since)}` : `for ${duration((this.store.clock() - seenAt) / 1000)}`;
  }

  #showFacts(change) {
    const {status} = this.store;
    const c = status.cluster;
    const facts = status.vips.slice(0, 3).map((v) => {
      const since = this.store.holderSince(v.name);
      return [`VIP ${v.name}`, v.holder ?? (v.enabled ? 'held by no node' : 'disabled'), since ? `${since.exact ? 'since' : 'since before'} ${clock(since.at)}` : v.address];
    });
    const all = status.pools.reduce((n, p) => n + p.servers.length, 0);
    const up = status.pools.reduce((n, p) => n + usable(p).length, 0);
    facts.push(['Servers', `${up} of ${all}`, up === 1 ? 'takes connections' : 'take connections']);
    if (c) facts.push(['Quorum', c.problem ? 'not in the cluster' : c.quorate ? 'yes' : 'no', `${c.nodes.filter((n) => n.online).length} of ${plural(c.nodes.length, 'node')} online`]);
    const open = status.listeners.reduce((n, l) => n + l.connections.current, 0);
    const perSecond = status.listeners.reduce((n, l) => n + (this.store.rate(`l:${l.name}`) || 0), 0);
    facts.push(['Connections here', count(open), `${rate(perSecond)} new/s`]);
    facts.push(['Changed last', change ? ago(change.event.time) : '–', change ? change.words : 'nothing since the daemon started']);
    keyed(this.facts, facts, ([name]) => name, ([name]) => el('div', {}, el('dt', {}, name), el('dd', {}, el('span.value'), el('span.sub'))), (node, [name, value, sub]) => {
      set(node, 'class', name === 'Changed last' ? 'wide-fact' : null);
      text(node.lastElementChild.firstElementChild, value);
      text(node.lastElementChild.lastElementChild, sub);
      set(node.lastElementChild.lastElementChild, 'title', name === 'Changed last' ? sub : null);
    });
  }
}

