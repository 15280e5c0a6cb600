// The question of 3 a.m.: can clients reach what is served, what is broken, since when, what changed last. Pure: status in, words out.
import {duration, plural, words} from './format.js';

const DIGEST_OLD_S = 10;   // They come each second.

export const hostOf = (text) => {
  const bare = text.replace(/\/\d+$/, '');
  if (bare.startsWith('[')) return bare.slice(1, bare.indexOf(']'));
  return bare.split(':').length === 2 ? bare.split(':')[0] : bare;
};

/** How many servers get new connections: the node's own word. */
export const usable = (pool) => pool.usable;

/** Whether this one is among them. */
export const takes = (pool, server) => server.state === 'up' && server.weight > 0 && server.backup === pool.backups_in_use;

export const poolOf = (status, listener) => status.pools.find((p) => p.name === listener.pool);

/** A wildcard answers on every address of its family (the sockets of IPv6 take no IPv4). */
function answersOn(bind, address) {
  const host = hostOf(bind);
  if (host === '0.0.0.0') return !address.includes(':');
  if (host === '::') return address.includes(':');
  return host === hostOf(address);
}

/** VIPs a listener's clients may come by. */
export const vipsOf = (status, listener) => status.vips.filter((v) => listener.bind.some((b) => answersOn(b, v.address)));

/**
 * The nodes to ask instead, when this one cannot tell who holds a VIP: it has no part in the cluster, or no quorum while others are out of
 * its sight. null: it can tell.
 */
export function cutOff(status) {
  const c = status.cluster;
  if (!c || (!c.problem && c.quorate)) return null;
  const unseen = c.nodes.filter((n) => n.name !== status.node && (c.problem || !n.online)).map((n) => n.name);
  return unseen.length ? unseen : null;
}

const either = (names) => (names.length > 3 ? `${names.slice(0, 3).join(', ')} or another node` : names.join(' or '));

/** {holder, known}: what can be said here. What this node holds itself it knows in any case. */
export function holderOf(status, vip) {
  if (vip.held_here || !vip.enabled || !cutOff(status)) return {holder: vip.holder, known: true};
  return {holder: null, known: false};
}

/** "on gate-1", "held by no node", "disabled", "not known here", each with its kind. */
export function holdingWords(status, vip) {
  const {holder, known} = holderOf(status, vip);
  if (!known) return {kind: 'warn', words: 'not known here'};
  if (holder) return {kind: 'ok', words: `on ${holder}`};
  return vip.enabled ? {kind: 'bad', words: 'held by no node'} : {kind: 'idle', words: 'disabled'};
}

/** Why `node` does not answer this listener's clients; empty: it does. Of another node it is what that one last showed of itself. */
function whyNot(status, listener, node) {
  const digest = node === status.node ? null : status.cluster?.nodes.find((n) => n.name === node)?.digest;
  if (digest) {
    const deaf = digest.listeners.some((l) => l.name === listener.name && !l.accepting);
    if (deaf) return `listener ${listener.name} does not accept on ${node}`;
    return digest.pools.some((p) => p.name === listener.pool && p.up === 0) ? `no server of pool ${listener.pool} is up on ${node}` : '';
  }
  const problem = listener.problem ? `: ${listener.problem}` : '';
  if (node === status.node && !listener.accepting) return `listener ${listener.name} does not accept${problem}`;
  const pool = poolOf(status, listener);
  return pool && usable(pool) > 0 ? '' : `no server of pool ${listener.pool} takes connections`;
}

/** {ok, why, through}: whether a client's connection to this listener is answered by a server; ok null: this node cannot tell. */
export function reach(status, listener) {
  const vips = vipsOf(status, listener);
  if (!vips.length) {
    const why = whyNot(status, listener, status.node);
    return {ok: !why, why, through: []};
  }
  const seen = vips.map((vip) => ({vip, ...holderOf(status, vip)}));
  const held = seen.filter((s) => s.holder).map((s) => ({...s, why: whyNot(status, listener, s.holder)}));
  const through = [...new Set(held.filter((s) => !s.why).map((s) => s.holder))];
  if (through.length) return {ok: true, why: '', through};
  const unknown = seen.filter((s) => !s.known).map((s) => s.vip.name);
  if (unknown.length) return {ok: null, why: '', through: [], unknown};
  if (held.length) return {ok: false, why: held[0].why, through: []};
  const off = vips.every((v) => !v.enabled);
  return {ok: false, why: `${vips.map((v) => `VIP ${v.name}`).join(', ')} ${off ? 'is disabled' : 'is held by no node'}`, through: []};
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const namesOf = (list) => list.map(({l}) => l.name).join(', ');
const whysOf = (list) => capital([...new Set(list.map(({r}) => r.why))].join('; '));

export function verdict(status, broken) {
  if (status.listeners.length === 0) return {kind: 'warn', title: 'No listener is configured', why: 'Nothing is served here.'};
  const all = status.listeners.map((l) => ({l, r: reach(status, l)}));
  const bad = all.filter(({r}) => r.ok === false);
  const unknown = [...new Set(all.flatMap(({r}) => r.unknown ?? []))];
  if (unknown.length) {
    const rest = bad.length ? ` Clients cannot reach ${namesOf(bad)}: ${whysOf(bad)}.` : '';
    const why = `It cannot tell who holds VIP ${unknown.join(', ')}: ask ${either(cutOff(status))}.${rest}`;
    return {kind: 'bad', title: 'This node is cut off', why};
  }
  const one = all.length === 1;
  if (bad.length === all.length) {
    return {kind: 'bad', title: one ? `Clients cannot reach ${all[0].l.name}` : 'Clients can reach nothing', why: `${whysOf(bad)}.`};
  }
  if (bad.length) {
    const rest = namesOf(all.filter(({r}) => r.ok));
    return {kind: 'bad', title: `Clients cannot reach ${namesOf(bad)}`, why: `${whysOf(bad)}. ${rest} can be reached.`};
  }
  const through = [...new Set(all.flatMap(({r}) => r.through))];
  const way = through.length ? ` through ${through.join(' and ')}` : '';
  const title = one ? `Clients can reach ${all[0].l.name}` : `Clients can reach all ${all.length} listeners`;
  const serious = broken.filter((p) => p.kind !== 'info').length;
  if (!serious) return {kind: 'ok', title, why: `Served${way}. Nothing is broken.`};
  const look = `${plural(serious, 'thing')} below ${serious === 1 ? 'needs' : 'need'} a look.`;
  return {kind: 'warn', title: `${title}, with problems`, why: `Served${way}. ${look}`};
}

function nodeProblems(status, n, add) {
  const moves = 'of the cluster: nothing moves by choice';
  if (!n.config_match) add('warn', `config:${n.name}`, `Node ${n.name} has another configuration`, moves);
  const down = n.links.filter((l) => !l.up).map((l) => l.link);
  if (down.length) add('warn', `link:${n.name}`, `Link ${down.join(', ')} to ${n.name} is down`, 'Corosync goes on over the others');
  const shown = n.name === status.node ? null : n.digest;
  if (!shown) return;
  if (shown.age_s > DIGEST_OLD_S) add('warn', `silent:${n.name}`, `Node ${n.name} shows nothing of itself`, `for ${duration(shown.age_s)}`);
  else if (!shown.ready) add('warn', `ready:${n.name}`, `Node ${n.name} is not ready`, shown.reason);
  const another = n.config_match && shown.config_hash !== status.config.hash;
  const sameCluster = 'the cluster in it is the same: fairlead config diff --nodes';
  if (another) add('info', `file:${n.name}`, `Node ${n.name} has another file`, sameCluster);
}

function clusterProblems(status, add) {
  const c = status.cluster;
  if (c.problem) add('bad', 'cluster', 'This node has no part in the cluster', c.problem);
  else if (!c.quorate) add('bad', 'quorum', 'No quorum', 'this side of the cluster holds no virtual IP');
  if (c.qdevice === 'lost') add('warn', 'qdevice', 'The quorum device does not vote');
  if (c.tie_break === 'disarmed') add('warn', 'tiebreak', 'The tie-break is disarmed', 'a lost peer would stop this node too');
  if (c.frozen) add('info', 'frozen', 'The cluster is frozen', 'virtual IPs move only when their holder is lost');
  for (const n of c.nodes) {
    // Out of the cluster this node sees no other, which says nothing of them.
    if (!n.online && !c.problem) add('warn', `node:${n.name}`, `Node ${n.name} is offline`);
    else if (n.standby) add('info', `standby:${n.name}`, `Node ${n.name} is in standby`, 'it holds no virtual IP until it is set online');
    if (n.online) nodeProblems(status, n, add);
  }
}

function vipProblems(status, add) {
  const ask = cutOff(status);
  for (const v of status.vips) {
    const {holder, known} = holderOf(status, v);
    if (!v.enabled) add('info', `vip:${v.name}`, `VIP ${v.name} is disabled`, 'no node holds it until it is enabled');
    else if (!known) add('warn', `vip:${v.name}`, `Who holds VIP ${v.name} is not known here`, `this node is cut off: ask ${either(ask)}`);
    else if (holder === null) add('bad', `vip:${v.name}`, `VIP ${v.name} is held by no node`, v.waits_for);
    if (v.flapping) add('warn', `flap:${v.name}`, `VIP ${v.name} moved too often`, 'it stays until its holder is lost');
    if (v.drains_for_ms > 0) {
      const left = duration(v.drains_for_ms / 1000);
      add('info', `drain:${v.name}`, `VIP ${v.name} is about to move`, `its connections may close at idle moments for ${left}`);
    }
  }
}

function serverProblem(pool, s, add) {
  const key = `server:${pool.name}/${s.name}`;
  const name = `Server ${pool.name}/${s.name}`;
  if (s.state === 'down') add('warn', key, `${name} is down`, checkWords(s), s.state_since_s);
  else if (s.state === 'unknown') add('warn', key, `${name} is not known yet`, checkWords(s), s.state_since_s);
  else if (s.state === 'drain') add('info', key, `${name} drains`, `${plural(s.connections.current, 'connection')} left`, s.state_since_s);
  else if (s.state === 'maint') add('info', key, `${name} is in maintenance`, '', s.state_since_s);
}

const NEARLY_FULL = 0.9;   // As the alert FairleadDhcpPoolNearlyFull.
export const nearlyFull = (network) => network.pool_size > 0 && network.pool_leased / network.pool_size > NEARLY_FULL;

function dhcpProblems(dhcp, add) {
  const {dnsmasq} = dhcp;
  const since = dnsmasq.since_s;
  if (dnsmasq.state === 'failed') add('bad', 'dnsmasq', 'dnsmasq does not run', dnsmasq.problem, since);
  else if (dnsmasq.state !== 'ready') add('warn', 'dnsmasq', `dnsmasq is ${dnsmasq.state}`, dnsmasq.problem, since);
  else if (dnsmasq.problem) add('warn', 'dnsmasq', 'dnsmasq', dnsmasq.problem);
  if (dhcp.leases.problem) add('warn', 'leases', 'Leases are not kept on disk', dhcp.leases.problem);
  for (const n of dhcp.networks) {
    if (n.problem) add('warn', `network:${n.name}`, `Network ${n.name} is not served by this node`, n.problem);
    const left = `${n.pool_size - n.pool_leased} of ${plural(n.pool_size, 'address', 'addresses')} left`;
    if (nearlyFull(n)) add('warn', `full:${n.name}`, `The pool of network ${n.name} is nearly full`, left);
  }
}

/** [{key, kind, what, detail, since_s?}]: worst first. `since_s` where the node says it. */
export function problems(status, {reportStuck = false} = {}) {
  const out = [];
  const add = (kind, key, what, detail = '', since_s = undefined) => out.push({kind, key, what, detail, since_s});
  if (reportStuck) {
    add('bad', 'report', 'The node no longer refreshes its report', 'its control thread may hang; the guard acts after guard.hang');
  }
  if (status.cluster) clusterProblems(status, add);
  vipProblems(status, add);
  for (const l of status.listeners) {
    if (!l.accepting) add('bad', `listener:${l.name}`, `Listener ${l.name} does not accept`, l.problem);
    else if (l.problem) add('warn', `listener:${l.name}`, `Listener ${l.name}`, l.problem);
  }
  for (const p of status.pools) {
    if (usable(p) === 0) add('bad', `pool:${p.name}`, `Pool ${p.name} has no server that takes connections`);
    else if (p.backups_in_use) add('warn', `pool:${p.name}`, `Only backup servers of pool ${p.name} take connections`);
    for (const s of p.servers) serverProblem(p, s, add);
  }
  if (status.dhcp) dhcpProblems(status.dhcp, add);
  if (!status.config.last_reload_ok) {
    add('warn', 'reload', 'The last reload was refused', 'the configuration from before is active; fairlead events says why');
  }
  const stops = status.ready_reasons.find((reason) => reason.what === 'daemon' && !reason.ok);
  if (stops) add('bad', 'daemon', `The daemon ${stops.detail}`);
  const rank = {bad: 0, warn: 1, info: 2};
  return out.sort((a, b) => rank[a.kind] - rank[b.kind]);
}

const RESULTS = {
  ok: 'passed', refused: 'connection refused', timeout: 'no answer in time', status: 'wrong status', tls: 'TLS failed',
  reset: 'connection reset', unresolved: 'name not resolved', pending: 'first check under way', none: 'not checked',
  unreachable: 'unreachable',
};

/** "connection refused", "wrong status: 503": a check's result in words. */
export function checkWords(server) {
  const {result, detail} = server.check;
  const said = RESULTS[result] ?? words(result);
  if (result === 'ok') return detail ? `passed: ${detail}` : 'passed';
  return detail && !detail.toLowerCase().includes(said) ? `${said}: ${detail}` : said;
}

/** {name, passed}: the event says how a drill went; null: it is another one. */
export function drillResult(event) {
  if (event.id !== 'COMMAND_DONE' || event.fields.result !== 'done') return null;
  const found = /^drill (\S+) result (passed|failed)$/.exec(event.fields.command);
  return found && {name: found[1], passed: found[2] === 'passed'};
}

function commandSentence(event) {
  const f = event.fields;
  const drill = drillResult(event);
  if (drill) return `Drill ${drill.name} ${drill.passed ? 'passed' : 'failed'}, told by ${f.by}`;
  return `${f.by}: ${f.command} – ${f.result}`;
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
    case 'COMMAND_DONE': return commandSentence(event);
    case 'CONFIG_APPLIED': return `Configuration applied: ${f.changes}`;
    case 'DAEMON_STARTED': return `The daemon started, version ${f.version}`;
    default: return Object.entries(f).map(([k, v]) => `${k} ${v}`).join(' · ');
  }
}

/** What changed last: the newest event a person would call a change. */
const CHANGES = new Set([
  'VIP_ACQUIRED', 'VIP_RELEASED', 'VIP_LEASE_LOST', 'SERVER_DOWN', 'SERVER_UP', 'SERVER_ADMIN', 'SERVER_ADDED', 'SERVER_REMOVED',
  'POOL_EMPTY', 'POOL_SERVES', 'CLUSTER_MEMBERS', 'CLUSTER_LOST', 'CLUSTER_LINK_DOWN', 'CLUSTER_LINK_UP', 'COMMAND_DONE', 'CONFIG_APPLIED',
  'CONFIG_REFUSED', 'DAEMON_STARTED', 'DAEMON_STOPPING', 'LISTENER_FAILED', 'LISTENER_OPEN', 'LISTENER_CLOSED', 'WORKER_STALLED',
  'GUARD_LOST', 'QDEVICE_VOTE_LOST', 'QDEVICE_VOTE',
]);

export function lastChange(events) {
  for (let i = events.length - 1; i >= 0; --i) if (CHANGES.has(events[i].id)) return events[i];
  return null;
}
