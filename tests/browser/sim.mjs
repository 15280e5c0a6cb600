// A node that speaks the dashboard's part of the API (docs/reference/api.md) and is in whatever state a test wants: for states that a lab is in
// rarely or for hours only. The dashboard's files come from admin/web. No library: the WebSocket is the few lines below (RFC 6455).
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {createServer} from 'node:http';
import {join, dirname} from 'node:path';
import {fileURLToPath} from 'node:url';

const WEB = join(dirname(fileURLToPath(import.meta.url)), '../../admin/web');
const TYPES = {html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8', css: 'text/css; charset=utf-8', svg: 'image/svg+xml'};
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export function frameOf(text, opcode = 1) {
  const body = Buffer.from(text);
  const head = body.length < 126 ? Buffer.from([0x80 | opcode, body.length])
    : body.length < 65536 ? Buffer.from([0x80 | opcode, 126, body.length >> 8, body.length & 255])
      : Buffer.concat([Buffer.from([0x80 | opcode, 127, 0, 0, 0, 0]), Buffer.from(Uint32Array.of(body.length).buffer).swap32()]);
  return Buffer.concat([head, body]);
}

const server = (name, state, extra = {}) => ({name, address: `${name}.kube.demo:6443`, endpoint: '192.168.1.11:6443', state, weight: 100, effective_weight: 100, backup: false,
  added_at_run_time: false, connections: {current: state === 'up' ? 41 : 0, total: 1000}, connect_failures: 0, state_since_s: 7384, check: {result: state === 'down' ? 'refused' : 'ok', detail: state === 'down' ? 'connection refused' : '200', duration_ms: state === 'down' ? 0 : 4.2}, ...extra});

/** Three gateways, one VIP held by the first, three servers. */
export function healthyStatus() {
  return {
    node: 'gate-1', version: '0.1.0', engine: 'io_uring', engine_reason: 'self-test passed', ready: true, ready_reasons: [], uptime_s: 86400,
    cluster: {quorate: true, ring: '1.2c', votes: 3, tie_break: 'off', qdevice: '', frozen: false, token_ms: 800, consensus_ms: 960, problem: '', nodes: [1, 2, 3].map((id) => (
      {name: `gate-${id}`, id, online: true, standby: false, version: '0.1.0', config_match: true, links: id === 1 ? [] : [{link: 0, up: true}, {link: 1, up: true}]}))},
    vips: [{name: 'api', address: '192.168.4.20/24', interface: 'ens192', state: 'held', holder: 'gate-1', held_here: true, waits_for: '', epoch: 7, lease_ms: 1850, enabled: true, flapping: false,
      drains_for_ms: 0, eligible: {'gate-1': {ok: true, reason: ''}, 'gate-2': {ok: true, reason: ''}, 'gate-3': {ok: true, reason: ''}}}],
    listeners: [{name: 'kube-api', bind: ['192.168.4.20:6443'], pool: 'masters', accepting: true, problem: '', connections: {current: 123, total: 40210, shed: 0}, bytes: {in: 9e8, out: 7e9}, retries: 0,
      shed_by_cause: {}, ended_by_code: {'--': 80}, vip_closed: {}}],
    pools: [{name: 'masters', balance: 'least_connections', source_fallbacks: 0, servers: [server('mast-1', 'up'), server('mast-2', 'up'), server('mast-3', 'up')]}],
    workers: [{index: 0, connections: 62, buffers_in_use: 1, buffers_total: 1024, loop_lateness_ms: 0.4}], max_connections: 50000, log_lines_dropped: 0, control_lateness_ms: 0.2,
    control_late_us_by_second: [], config: {file: '/etc/fairlead/fairlead.yaml', hash: 'a1b2c3d4e5f60718', reloads: 2, last_reload_ok: true},
  };
}

export class Simulated {
  constructor({role = 'operator', status = healthyStatus(), events = []} = {}) {
    this.role = role;
    this.status = status;
    this.events = events;
    this.sequence = events.length;
    this.sockets = new Set();
    this.posts = [];
    this.answer = null;      // What a POST is answered with; default: 200 with a summary.
    this.refusing = false;   // No WebSocket is taken.
    this.silent = false;     // Nothing is sent any more.
    this.ticking = true;
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
    s.uptime_s += seconds;
    for (const l of s.listeners) {
      l.connections.total += Math.round(31 * seconds);
      l.bytes.in += 182000 * seconds;
      l.bytes.out += 1410000 * seconds;
    }
    for (const p of s.pools) {
      p.servers.forEach((one, i) => {
        one.state_since_s += seconds;
        if (one.state !== 'up') return;
        one.connections.total += Math.round((14 - 4 * i) * seconds);
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
      let body = '';
      request.on('data', (chunk) => { body += chunk; });
      request.on('end', () => {
        this.posts.push({path, body: body ? JSON.parse(body) : null});
        const answer = this.answer?.(path, body ? JSON.parse(body) : null) ?? {status: 200, body: {summary: `done: ${path}`, details: [], needs_restart: []}};
        json(answer.status, answer.body);
      });
      return;
    }
    if (path === '/api/v1/drills') {
      return json(200, {drills: [{name: 'kill-process', place: 'cluster', safe: true, what: 'SIGKILL to the daemon that holds the VIP', promise: '500 ms', bound_ms: 500},
        {name: 'kill-node', place: 'lab', safe: false, what: 'the holder is switched off', promise: 'T + C + 350 ms', bound_ms: 2110}]});
    }
    try {
      const file = path === '/' ? 'index.html' : path.slice(1).replace(/[^\w.-]/g, '');
      const bytes = readFileSync(join(WEB, file));
      response.writeHead(200, {'Content-Type': TYPES[file.split('.').pop()], 'Cache-Control': 'no-cache', 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff'});
      response.end(bytes);
    } catch {
      json(404, {code: 'not_found', detail: 'no such path'});
    }
  }

  #upgrade(request, socket) {
    if (this.refusing) return socket.destroy();
    const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64');
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    this.sockets.add(socket);
    socket.on('data', () => {});   // The page says nothing but its close.
    socket.on('error', () => this.sockets.delete(socket));
    socket.on('close', () => this.sockets.delete(socket));
    const send = (message) => socket.write(frameOf(JSON.stringify(message)));
    send({type: 'hello', node: this.status.node, version: this.status.version, caller: {name: 'uid 0 (root)', role: this.role}, interval_ms: 1000, after: 0});
    send({type: 'status', status: this.status});
    for (const event of this.events) send({type: 'event', event});
  }
}
