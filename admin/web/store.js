// What the page knows, from the frames of /api/v1/watch alone. No element, no socket: tests feed it by hand.
// Every collection has a bound: EVENTS_MAX events, SAMPLES_MAX samples a server, HISTORY_MAX holders a VIP, and only names of the newest status.

export const EVENTS_MAX = 500;
export const SAMPLES_MAX = 300;
export const HISTORY_MAX = 16;
const SMOOTH = 0.5;   // Weight of the newest rate; one status a second.

export const LEVELS = ['debug', 'info', 'notice', 'warning', 'error'];

export const serverKey = (pool, server) => `${pool}/${server}`;

/** Keeps the last `limit` values. */
export class Bounded {
  constructor(limit) {
    this.limit = limit;
    this.values = [];
  }
  push(value) {
    this.values.push(value);
    if (this.values.length > this.limit) this.values.splice(0, this.values.length - this.limit);
  }
  get last() { return this.values[this.values.length - 1]; }
}

/** Counter deltas as values per second. A counter that went back (a restart) begins anew. */
class Rate {
  constructor() { this.value = NaN; }
  take(total, at) {
    if (this.at !== undefined && at > this.at) {
      const now = total >= this.total ? (total - this.total) / (at - this.at) : NaN;
      this.value = Number.isFinite(this.value) && Number.isFinite(now) ? this.value + SMOOTH * (now - this.value) : now;
      if (this.value < 1e-3) this.value = 0;
    }
    if (this.at === undefined || at > this.at || total < this.total) {
      this.at = at;
      this.total = total;
    }
  }
}

export class Store {
  constructor(clock = () => Date.now()) {
    this.clock = clock;
    this.hello = null;
    this.status = null;
    this.statusAt = 0;       // When the last frame of it came (ms).
    this.freshAt = 0;        // When the node last made a new report: its uptime moved.
    this.since = 0;          // When this page first saw a status.
    this.events = [];        // Newest last.
    this.eventKeys = new Set();
    this.lost = 0;
    this.rates = new Map();
    this.latency = new Map();
    this.holders = new Map();
    this.problems = new Map();   // key -> when this page first saw it
    this.drills = null;
  }

  get operator() { return this.hello?.caller.role === 'operator'; }

  takeHello(frame) { this.hello = frame; }

  takeStatus(status) {
    const now = this.clock();
    const restarted = this.status && status.uptime_s < this.status.uptime_s;
    if (restarted) this.rates.clear();
    if (!this.status || status.uptime_s !== this.status.uptime_s) this.freshAt = now;
    if (!this.since) this.since = now;
    this.status = status;
    this.statusAt = now;
    this.#takeRates(status);
    this.#takeLatency(status, now);
    this.#takeHolders(status, now);
  }

  /** True: it is new. After a reconnect the ring is sent again. */
  takeEvent(event) {
    const key = `${event.sequence}|${event.time}|${event.id}`;
    if (this.eventKeys.has(key)) return false;
    this.eventKeys.add(key);
    this.events.push(event);
    while (this.events.length > EVENTS_MAX) {
      const old = this.events.shift();
      this.eventKeys.delete(`${old.sequence}|${old.time}|${old.id}`);
    }
    return true;
  }

  takeLost(count) { this.lost += count; }

  rate(key) { return this.rates.get(key)?.value ?? NaN; }

  #takeRates(status) {
    const seen = new Set();
    const take = (key, total) => {
      seen.add(key);
      if (!this.rates.has(key)) this.rates.set(key, new Rate());
      this.rates.get(key).take(total, status.uptime_s);
    };
    for (const l of status.listeners) {
      take(`l:${l.name}`, l.connections.total);
      take(`l:${l.name}:in`, l.bytes.in);
      take(`l:${l.name}:out`, l.bytes.out);
    }
    for (const p of status.pools) for (const s of p.servers) take(`s:${serverKey(p.name, s.name)}`, s.connections.total);
    prune(this.rates, seen);
  }

  #takeLatency(status, now) {
    const seen = new Set();
    for (const p of status.pools) {
      for (const s of p.servers) {
        const key = serverKey(p.name, s.name);
        seen.add(key);
        if (!this.latency.has(key)) this.latency.set(key, new Bounded(SAMPLES_MAX));
        const samples = this.latency.get(key);
        const ok = s.check.result === 'ok';
        // The status may come four times a second; checks do not.
        if (samples.last && now - samples.last.at < 900 && samples.last.ok === ok) continue;
        samples.push({at: now, ms: s.check.duration_ms, ok, checked: s.check.result !== 'none' && s.check.result !== 'pending'});
      }
    }
    prune(this.latency, seen);
  }

  /** The node's own record (`history`) where it has one, else what was seen from here. */
  #takeHolders(status, now) {
    const seen = new Set();
    for (const v of status.vips) {
      seen.add(v.name);
      if (Array.isArray(v.history)) {
        this.holders.set(v.name, {known: true, changes: v.history.slice(-HISTORY_MAX)});
        continue;
      }
      const record = this.holders.get(v.name) ?? {known: false, changes: []};
      const last = record.changes[record.changes.length - 1];
      if (!last || last.holder !== v.holder)
        record.changes.push({at: new Date(now).toISOString(), holder: v.holder, first: !last});
      record.changes = record.changes.slice(-HISTORY_MAX);
      this.holders.set(v.name, record);
    }
    prune(this.holders, seen);
  }

  holderSince(vip) {
    const record = this.holders.get(vip);
    const last = record?.changes[record.changes.length - 1];
    return last ? {at: last.at, exact: record.known || !last.first} : null;
  }

  /** When this page first saw each of these problems; the others are forgotten. */
  seen(keys) {
    const now = this.clock();
    for (const key of keys) if (!this.problems.has(key)) this.problems.set(key, now);
    prune(this.problems, new Set(keys));
    return this.problems;
  }

  /** For tests and the curious: how much is kept. */
  sizes() {
    let samples = 0;
    for (const l of this.latency.values()) samples = Math.max(samples, l.values.length);
    let holders = 0;
    for (const h of this.holders.values()) holders = Math.max(holders, h.changes.length);
    return {events: this.events.length, keys: this.eventKeys.size, rates: this.rates.size, servers: this.latency.size, samples, holders, problems: this.problems.size};
  }
}

function prune(map, keep) {
  for (const key of map.keys()) if (!keep.has(key)) map.delete(key);
}
