// A node that speaks the dashboard's part of the API (docs/reference/api.md) and is in whatever state a test wants: for states that a lab
// is in rarely or for hours only. What it says is made of what the daemon's own code wrote (tests/golden/dashboard, kept true by
// DashboardSamples): like() refuses a member that is not in there. The dashboard's files come from admin/web.
// No library: the WebSocket is the few lines below (RFC 6455).
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {createServer} from 'node:http';
import {join, dirname} from 'node:path';
import {fileURLToPath} from 'node:url';

const TREE = join(dirname(fileURLToPath(import.meta.url)), '../..');
const WEB = join(TREE, 'admin/web');
const golden = (name) => JSON.parse(readFileSync(join(TREE, 'tests/golden/dashboard', name)));
const STATUS = golden('status.json');
const DRILLS = golden('drills.json').drills;
const HELLO = golden('hello.json');
const LEASES = golden('leases.json').leases;
// Their members are names or causes, not fields.
const MAPS = new Set(['eligible', 'shed_by_cause', 'ended_by_code', 'vip_closed', 'checks', 'connect_failures_by_cause']);

const TYPES = {
  html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml',
};
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
  + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export function frameOf(text, opcode = 1) {
  const body = Buffer.from(text);
  const head = body.length < 126 ? Buffer.from([0x80 | opcode, body.length])
    : body.length < 65536 ? Buffer.from([0x80 | opcode, 126, body.length >> 8, body.length & 255])
      : Buffer.concat([Buffer.from([0x80 | opcode, 127, 0, 0, 0, 0]), Buffer.from(Uint32Array.of(body.length).buffer).swap32()]);
  return Buffer.concat([head, body]);
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** A copy of `sample` with these values. Throws on a member that the sample does not have: the daemon would not send it. */
export function like(sample, values, at = '') {
  const out = structuredClone(sample);
  for (const [key, value] of Object.entries(values)) {
    if (!Object.hasOwn(sample, key)) throw new Error(`the daemon's answers have no ${at}${key}`);
    const inside = isObject(value) && isObject(sample[key]) && !MAPS.has(key);
    out[key] = inside ? like(sample[key], value, `${at}${key}.`) : structuredClone(value);
  }
  return out;
}

export const serverLike = (values) => like(STATUS.pools[0].servers[0], values);
export const leaseLike = (values) => like(LEASES[0], values);
export const vipLike = (values) => like(STATUS.vips[0], values);

const healthyServer = (name) => serverLike({
  name, address: `${name}.kube.demo:6443`, endpoint: '192.168.1.11:6443', state: 'up', weight: 100, effective_weight: 100,
  connections: {current: 41, total: 1000}, max_connections: 0, bytes: {in: 3e8, out: 2.3e9}, connect_failures: 0,
  connect_failures_by_cause: {}, reset_connections: 0, state_since_s: 7384, check: {result: 'ok', detail: '200', duration_ms: 4.2},
  checks: {ok: 86000}, downs: 0, down_s: 0,
});

const healthyNode = (id) => like(STATUS.cluster.nodes[1], {
  name: `gate-${id}`, id, online: true, standby: false, config_match: true,
  links: id === 1 ? [] : [{link: 0, up: true}, {link: 1, up: true}],
  digest: {
    age_s: 0.4, uptime_s: 86400, engine: 'io_uring', ready: true, reason: '', config_hash: STATUS.config.hash,
    connections: id === 1 ? 123 : 0, listeners: [{name: 'kube-api', accepting: true, connections: id === 1 ? 123 : 0}],
    pools: [{name: 'masters', servers: 3, up: 3, down: []}],
  },
});

/** Two networks, both served by the first gateway. */
export function healthyDhcp() {
  const network = (name, number, values) => like(STATUS.dhcp.networks[0], {
    name, cidr: `192.168.${number}.0/24`, interface: name, device: `eth${number}`,
    router: `192.168.${number}.254`, dns: `192.168.${number}.1`,
    pool: [`192.168.${number}.100`, `192.168.${number}.199`], pool_leased: 40, leases_held: 43, adopted: 0, sweep: 'none', ...values,
  });
  return like(STATUS.dhcp, {
    dnsmasq: {restarts: 0, since_s: 7384}, networks: [network('mast', 1, {}), network('node', 2, {pool: [], pool_size: 0, pool_leased: 0})],
    leases: {conflicts: 0, damaged_lines: 0}, queries: {unanswered: 0},
  });
}

/** Three gateways, one VIP held by the first, three servers. */
export function healthyStatus() {
  const able = {ok: true, reason: ''};
  return like(STATUS, {
    uptime_s: 86400, ready_reasons: [], control_late_us_by_second: [], dhcp: null,
    cluster: {votes: 3, tie_break: 'off', qdevice: '', nodes: [1, 2, 3].map(healthyNode)},
    vips: [vipLike({
      holder: 'gate-1', held_here: true, eligible: {'gate-1': able, 'gate-2': able, 'gate-3': able}, holder_changes: 0,
      history: [{at: new Date(Date.now() - 7200e3).toISOString(), holder: 'gate-1', first_seen: false}],
    })],
    listeners: [like(STATUS.listeners[0], {
      bind: ['192.168.4.20:6443'], connections: {current: 123, total: 40210, shed: 0}, bytes: {in: 9e8, out: 7e9}, shed_by_cause: {},
    })],
    pools: [like(STATUS.pools[0], {
      usable: 3, connections: {current: 123, total: 40000}, bytes: {in: 9e8, out: 7e9}, connect_failures: 0,
      servers: ['mast-1', 'mast-2', 'mast-3'].map(healthyServer),
    })],
  });
}

/** What the daemon derives: which servers are usable, what this node shows of itself. After changes to servers and listeners. */
export function settle(status) {
  for (const p of status.pools) {
    const up = (s) => s.state === 'up' && s.weight > 0;
    const regular = p.servers.filter((s) => up(s) && !s.backup).length;
    const backups = p.servers.filter((s) => up(s) && s.backup).length;
    p.usable = regular || backups;
    p.backups_in_use = regular === 0 && backups > 0;
  }
  const own = status.cluster?.nodes.find((n) => n.name === status.node)?.digest;
  if (!own) return status;
  own.listeners = status.listeners.map((l) => ({name: l.name, accepting: l.accepting, connections: l.connections.current}));
  own.pools = status.pools.map((p) => {
    const names = (state) => p.servers.filter((s) => s.state === state).map((s) => s.name);
    return {name: p.name, servers: p.servers.length, up: names('up').length, down: names('down')};
  });
  return status;
}

export class Simulated {
  constructor({role = 'operator', status = healthyStatus(), events = [], ticking = true} = {}) {
    this.role = role;
    this.life = HELLO.life;   // Another one: the daemon was started anew.
    this.status = status;
    this.events = events;
    this.sequence = events.length ? events[events.length - 1].sequence : 0;
    this.drills = structuredClone(DRILLS);
    this.drillsStatus = 200;
    this.leases = structuredClone(LEASES);
    this.leasesAsked = [];   // With which queries.
    this.leasesStatus = 200;
    this.sockets = new Set();
    this.posts = [];
    this.answer = null;      // What a POST is answered with; default: 200 with a summary.
    this.refusing = false;   // No WebSocket is taken.
    this.silent = false;     // Nothing is sent any more.
    this.ticking = ticking;  // Every second a status, a second later.
    this.http = createServer((request, response) => this.#serve(request, response));
    this.http.on('upgrade', (request, socket) => this.#upgrade(request, socket));
  }

  async start() {
    await new Promise((done) => { this.http.listen(0, '127.0.0.1', done); });
    this.port = this.http.address().port;
    this.url = `http://127.0.0.1:${this.port}/`;
    this.timer = setInterval(() => { if (this.ticking) this.tick(1); }, 1000);
    return this;
  }

  async stop() {
    clearInterval(this.timer);
    this.drop();
    this.http.closeAllConnections?.();
    await new Promise((done) => { this.http.close(done); });
  }

  /** Time goes on by this many seconds: some traffic, a status to everybody. */
  tick(seconds) {
    const s = this.status;
    const flow = (counts, connections, share) => {
      counts.connections.total += Math.round(connections * seconds);
      counts.bytes.in += Math.round(182000 * share * seconds);
      counts.bytes.out += Math.round(1410000 * share * seconds);
    };
    s.uptime_s += seconds;
    for (const l of s.listeners) flow(l, 31, 1);
    for (const p of s.pools) {
      flow(p, 31, 1);
      p.servers.forEach((one, i) => {
        one.state_since_s += seconds;
        if (one.state !== 'up') return;
        flow(one, 14 - 4 * i, 0.45 - 0.12 * i);
        one.check.duration_ms = Math.round((3.5 + 2 * i + 1.4 * Math.sin(s.uptime_s / 5 + i) + (s.uptime_s * (i + 3)) % 1.7) * 10) / 10;
      });
    }
    this.tell();
  }

  tell() { this.send({type: 'status', status: this.status}); }

  send(message) {
    if (this.silent) return;
    for (const socket of this.sockets) socket.write(frameOf(JSON.stringify(message)));
  }

  event(id, level, fields, time = new Date().toISOString()) {
    const event = {sequence: ++this.sequence, time, id, level, fields};
    this.events.push(event);
    if (this.events.length > 1024) this.events.shift();
    this.send({type: 'event', event});
  }

  /** As `fairlead drill run` tells it: the result is kept, then its event comes. */
  drillDone(name, last) {
    const drill = this.drills.find((d) => d.name === name);
    drill.last = like(DRILLS.find((d) => d.last).last, {at: new Date().toISOString(), ...last});
    const command = `drill ${name} result ${last.passed ? 'passed' : 'failed'}`;
    this.event('COMMAND_DONE', 'notice', {command, by: 'uid 0 (root)', result: 'done'});
  }

  /** Cuts every watcher. */
  drop() {
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  #serve(request, response) {
    const path = new URL(request.url, 'http://x').pathname;
    const json = (status, body) => {
      response.writeHead(status, {'Content-Type': status < 400 ? 'application/json' : 'application/problem+json'});
      response.end(JSON.stringify(body));
    };
    if (request.method === 'POST') {
      let text = '';
      request.on('data', (chunk) => { text += chunk; });
      request.on('end', () => {
        const body = text ? JSON.parse(text) : null;
        this.posts.push({path, body});
        const done = {status: 200, body: {summary: `done: ${path}`, details: [], needs_restart: []}};
        const answer = this.answer?.(path, body) ?? done;
        json(answer.status, answer.body);
      });
      return;
    }
    if (path === '/api/v1/drills') {
      if (this.drillsStatus === 200) json(200, {drills: this.drills});
      else json(this.drillsStatus, {code: 'unavailable', detail: 'not now', status: this.drillsStatus});
      return;
    }
    if (path === '/api/v1/dhcp/leases') {
      const {search} = new URL(request.url, 'http://x');
      this.leasesAsked.push(search);
      if (this.leasesStatus === 200) json(200, {leases: this.leases, limit: 8});
      else json(this.leasesStatus, {code: 'unavailable', detail: 'not now', status: this.leasesStatus});
      return;
    }
    this.#serveFile(path, response, json);
  }

  #serveFile(path, response, json) {
    try {
      const file = path === '/' ? 'index.html' : path.slice(1).replace(/[^\w.-]/g, '');
      const bytes = readFileSync(join(WEB, file));
      const type = TYPES[file.split('.').pop()];
      const safe = {'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff'};
      response.writeHead(200, {'Content-Type': type, 'Cache-Control': 'no-cache', ...safe});
      response.end(bytes);
    } catch {
      json(404, {code: 'not_found', detail: 'no such path'});
    }
  }

  #upgrade(request, socket) {
    if (this.refusing) return socket.destroy();
    const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64');
    const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    this.sockets.add(socket);
    socket.on('data', () => {});   // The page says nothing but its close.
    socket.on('error', () => this.sockets.delete(socket));
    socket.on('close', () => this.sockets.delete(socket));
    const send = (message) => socket.write(frameOf(JSON.stringify(message)));
    const {node, version} = this.status;
    send(like(HELLO, {node, version, life: this.life, caller: {name: 'uid 0 (root)', role: this.role}}));
    send({type: 'status', status: this.status});
    for (const event of this.events) send({type: 'event', event});
  }
}
