// The question of 3 a.m.: can clients reach what is served, what is broken, since when, what changed last. Pure: status in, words out.
import {duration, plural, words} from './format.js';

const TAKES = new Set(['up']);

export const hostOf = (text) => {
  const bare = text.replace(/\/\d+$/, '');
  if (bare.startsWith('[')) return bare.slice(1, bare.indexOf(']'));
  return bare.split(':').length === 2 ? bare.split(':')[0] : bare;
};

/** Servers that get new connections: the up ones, backups only when no other is up. */
export function usable(pool) {
  const up = pool.servers.filter((s) => TAKES.has(s.state) && s.weight > 0);
  return up.length ? up : pool.servers.filter((s) => s.state === 'up' && s.backup);
}

export const poolOf = (status, listener) => status.pools.find((p) => p.name === listener.pool);

/** VIPs a listener's addresses are. */
export const vipsOf = (status, listener) => status.vips.filter((v) => listener.bind.some((b) => hostOf(b) === hostOf(v.address)));

/** {ok, why, holders}: whether a client's connection to this listener is answered by a server, as far as this node can tell. */
export function reach(status, listener) {
  const pool = poolOf(status, listener);
  if (!pool || usable(pool).length === 0) return {ok: false, why: `no server of pool ${listener.pool} takes connections`};
  const vips = vipsOf(status, listener);
  const nowhere = vips.filter((v) => v.holder === null);
  if (vips.length && nowhere.length === vips.length) {
    const off = nowhere.every((v) => !v.enabled);
    return {ok: false, why: `${nowhere.map((v) => `VIP ${v.name}`).join(', ')} ${off ? 'is disabled' : 'is held by no node'}`};
  }
  const here = vips.length === 0 || vips.some((v) => v.held_here);
  if (here && !listener.accepting) return {ok: false, why: `listener ${listener.name} does not accept${listener.problem ? `: ${listener.problem}` : ''}`};
  return {ok: true, through: [...new Set(vips.map((v) => v.holder).filter(Boolean))], here};
}

const sentenceOf = (words) => words.charAt(0).toUpperCase() + words.slice(1);

export function verdict(status, broken) {
  if (status.listeners.length === 0) return {kind: 'warn', title: 'No listener is configured', why: 'Nothing is served here.'};
  const all = status.listeners.map((l) => ({l, r: reach(status, l)}));
  const bad = all.filter(({r}) => !r.ok);
  const names = (list) => list.map(({l}) => l.name).join(', ');
  const one = status.listeners.length === 1;
  if (bad.length === all.length) {
    return {kind: 'bad', title: one ? `Clients cannot reach ${all[0].l.name}` : 'Clients can reach nothing', why: `${sentenceOf([...new Set(bad.map(({r}) => r.why))].join('; '))}.`};
  }
  if (bad.length) return {kind: 'bad', title: `Clients cannot reach ${names(bad)}`, why: `${sentenceOf([...new Set(bad.map(({r}) => r.why))].join('; '))}. ${names(all.filter(({r}) => r.ok))} can be reached.`};
  const through = [...new Set(all.flatMap(({r}) => r.through))];
  const way = through.length ? ` through ${through.join(' and ')}` : '';
  const title = one ? `Clients can reach ${all[0].l.name}` : `Clients can reach all ${all.length} listeners`;
  const serious = broken.filter((p) => p.kind !== 'info');
  if (serious.length) return {kind: 'warn', title: `${title}, with problems`, why: `Served${way}. ${plural(serious.length, 'thing')} below ${serious.length === 1 ? 'needs' : 'need'} a look.`};
  return {kind: 'ok', title, why: `Served${way}. Nothing is broken.`};
}

/** [{key, kind, what, detail, since_s?}]: worst first. `since_s` where the node says it. */
export function problems(status, {reportStuck = false} = {}) {
  const out = [];
  const add = (kind, key, what, detail = '', since_s = undefined) => out.push({kind, key, what, detail, since_s});
  if (reportStuck) add('bad', 'report', 'The node no longer refreshes its report', 'its control thread may hang; the guard acts after guard.hang');
  const c = status.cluster;
  if (c) {
    if (c.problem) add('bad', 'cluster', 'This node has no part in the cluster', c.problem);
    else if (!c.quorate) add('bad', 'quorum', 'No quorum', 'this side of the cluster holds no virtual IP');
    if (c.qdevice === 'lost') add('warn', 'qdevice', 'The quorum device does not vote');
    if (c.tie_break === 'disarmed') add('warn', 'tiebreak', 'The tie-break is disarmed', 'a lost peer would stop this node too');
    if (c.frozen) add('info', 'frozen', 'The cluster is frozen', 'virtual IPs move only when their holder is lost');
    for (const n of c.nodes) {
      if (!n.online) add('warn', `node:${n.name}`, `Node ${n.name} is offline`);
      else if (n.standby) add('info', `standby:${n.name}`, `Node ${n.name} is in standby`, 'it holds no virtual IP until it is set online');
      if (n.online && !n.config_match) add('warn', `config:${n.name}`, `Node ${n.name} has another configuration`);
      const down = n.online ? (n.links ?? []).filter((l) => !l.up) : [];
      if (down.length) add('warn', `link:${n.name}`, `Link ${down.map((l) => l.link).join(', ')} to ${n.name} is down`, 'Corosync goes on over the others');
    }
  }
  for (const v of status.vips) {
    if (!v.enabled) add('info', `vip:${v.name}`, `VIP ${v.name} is disabled`, 'no node holds it until it is enabled');
    else if (v.holder === null) add('bad', `vip:${v.name}`, `VIP ${v.name} is held by no node`, v.waits_for);
    if (v.flapping) add('warn', `flap:${v.name}`, `VIP ${v.name} moved too often`, 'it stays until its holder is lost');
    if (v.drains_for_ms > 0) add('info', `drain:${v.name}`, `VIP ${v.name} is about to move`, `its connections may close at idle moments for ${duration(v.drains_for_ms / 1000)}`);
  }
  for (const l of status.listeners) {
    if (!l.accepting) add('bad', `listener:${l.name}`, `Listener ${l.name} does not accept`, l.problem);
    else if (l.problem) add('warn', `listener:${l.name}`, `Listener ${l.name}`, l.problem);
  }
  for (const p of status.pools) {
    if (usable(p).length === 0) add('bad', `pool:${p.name}`, `Pool ${p.name} has no server that takes connections`);
    for (const s of p.servers) {
      const name = `server:${p.name}/${s.name}`;
      if (s.state === 'down') add('warn', name, `Server ${p.name}/${s.name} is down`, checkWords(s), s.state_since_s);
      else if (s.state === 'unknown') add('warn', name, `Server ${p.name}/${s.name} is not known yet`, checkWords(s), s.state_since_s);
      else if (s.state === 'drain') add('info', name, `Server ${p.name}/${s.name} drains`, `${plural(s.connections.current, 'connection')} left`, s.state_since_s);
      else if (s.state === 'maint') add('info', name, `Server ${p.name}/${s.name} is in maintenance`, '', s.state_since_s);
    }
  }
  if (!status.config.last_reload_ok) add('warn', 'reload', 'The last reload was refused', 'the configuration from before is active; fairlead events says why');
  for (const reason of status.ready_reasons ?? []) if (!reason.ok && reason.what === 'daemon') add('bad', 'daemon', `The daemon ${reason.detail}`);
  const rank = {bad: 0, warn: 1, info: 2};
  return out.sort((a, b) => rank[a.kind] - rank[b.kind]);
}

const RESULTS = {
  ok: 'passed', refused: 'connection refused', timeout: 'no answer in time', status: 'wrong status', tls: 'TLS failed', reset: 'connection reset',
  unresolved: 'name not resolved', pending: 'first check under way', none: 'not checked', unreachable: 'unreachable',
};

/** "connection refused", "wrong status: 503": a check's result in words. */
export function checkWords(server) {
  const {result, detail} = server.check;
  const said = RESULTS[result] ?? words(result);
  if (result === 'ok') return detail ? `passed: ${detail}` : 'passed';
  return detail && !detail.toLowerCase().includes(said) ? `${said}: ${detail}` : said;
}

/** An event as a sentence; the fields where there is no better one. */
export function sentence(event) {
  const f = event.fields;
  switch (event.id) {
    case 'VIP_ACQUIRED': return `This node took VIP ${f.vip}${f.took_ms ? ` in ${f.took_ms} ms` : ''}`;
    case 'VIP_RELEASED': return `This node released VIP ${f.vip}`;
    case 'VIP_LEASE_LOST': return `This node lost the lease of VIP ${f.vip}`;
    case 'SERVER_DOWN': return `Server ${f.pool}/${f.server} went down: ${f.reason}`;
    case 'SERVER_UP': return `Server ${f.pool}/${f.server} came up`;
    case 'SERVER_ADMIN': return `Server ${f.pool}/${f.server} set to ${f.state} by ${f.by}`;
    case 'POOL_EMPTY': return `Pool ${f.pool} has no server left`;
    case 'POOL_SERVES': return `Pool ${f.pool} has servers again`;
    case 'CLUSTER_MEMBERS': return `Members are now ${f.members}${f.quorate === 'true' || f.quorate === 'yes' ? '' : ', without quorum'}`;
    case 'CLUSTER_LINK_DOWN': return `Link ${f.link} to ${f.node} went down`;
    case 'CLUSTER_LINK_UP': return `Link ${f.link} to ${f.node} came up`;
    case 'COMMAND_DONE': return `${f.by}: ${f.command} – ${f.result}`;
    case 'CONFIG_APPLIED': return `Configuration applied: ${f.changes}`;
    case 'DAEMON_STARTED': return `The daemon started, version ${f.version}`;
    default: return Object.entries(f).map(([k, v]) => `${k} ${v}`).join(' · ');
  }
}

/** What changed last: the newest event a person would call a change. */
const CHANGES = new Set(['VIP_ACQUIRED', 'VIP_RELEASED', 'VIP_LEASE_LOST', 'SERVER_DOWN', 'SERVER_UP', 'SERVER_ADMIN', 'SERVER_ADDED', 'SERVER_REMOVED', 'POOL_EMPTY',
  'POOL_SERVES', 'CLUSTER_MEMBERS', 'CLUSTER_LOST', 'CLUSTER_LINK_DOWN', 'CLUSTER_LINK_UP', 'COMMAND_DONE', 'CONFIG_APPLIED', 'CONFIG_REFUSED', 'DAEMON_STARTED',
  'DAEMON_STOPPING', 'LISTENER_FAILED', 'LISTENER_OPEN', 'LISTENER_CLOSED', 'WORKER_STALLED', 'GUARD_LOST', 'QDEVICE_VOTE_LOST', 'QDEVICE_VOTE']);

export function lastChange(events) {
  for (let i = events.length - 1; i >= 0; --i) if (CHANGES.has(events[i].id)) return events[i];
  return null;
}
