// What the page knows, from the frames of /api/v1/watch alone. No element, no socket: tests feed it by hand.
// Every collection has a bound: EVENTS_MAX events, SAMPLES_MAX samples a server, and only names of the newest status.

export const EVENTS_MAX = 500;
export const SAMPLES_MAX = 300;
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
    this.#forget();
  }

  get operator() { return this.hello?.caller.role === 'operator'; }

  takeHello(frame) {
    if (this.hello && this.hello.node !== frame.node) this.#forget();   // A tunnel that now ends elsewhere: nothing of it is the other's.
    if (this.hello && this.hello.life !== frame.life) this.#newLife();
    this.hello = frame;
  }

  #newLife() {
    this.rates.clear();
    this.newest = 0;   // Its events are numbered anew; those of the life before stay.
  }

  takeStatus(status) {
    const now = this.clock();
    if (!this.status || status.uptime_s !== this.status.uptime_s) this.freshAt = now;
    if (!this.since) this.since = now;
    this.status = status;
    this.statusAt = now;
    this.#takeRates(status);
    this.#takeLatency(status, now);
  }

  /** True: it is new. After a reconnect the node sends its whole ring again, which is longer than what is kept here. */
  takeEvent(event) {
    if (event.sequence <= this.newest) return false;
    if (this.newest > 0 && event.sequence > this.newest + 1) this.lost += event.sequence - this.newest - 1;
    this.newest = event.sequence;
    event.arrival = ++this.arrivals;
    this.events.push(event);
    if (this.events.length > EVENTS_MAX) this.events.shift();
    return true;
  }

  rate(key) { return this.rates.get(key)?.value ?? NaN; }

  holderSince(vip) {
    const last = vip.history[vip.history.length - 1];
    return last ? {at: last.at, exact: !last.first_seen} : null;
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
    return {events: this.events.length, rates: this.rates.size, servers: this.latency.size, samples, problems: this.problems.size};
  }

  #forget() {
    this.status = null;
    this.statusAt = 0;       // When the last frame of it came (ms).
    this.freshAt = 0;        // When the node last made a new report: its uptime moved.
    this.since = 0;          // When this page first saw a status.
    this.events = [];        // Newest last.
    this.arrivals = 0;       // Events taken so far; each knows its number.
    this.newest = 0;         // Its number, in the daemon's life; a clock may be put back, a number is not.
    this.lost = 0;
    this.rates = new Map();
    this.latency = new Map();
    this.problems = new Map();   // key -> when this page first saw it
    this.drills = [];
  }

  #takeRates(status) {
    const seen = new Set();
    const take = (key, total) => {
      seen.add(key);
      if (!this.rates.has(key)) this.rates.set(key, new Rate());
      this.rates.get(key).take(total, status.uptime_s);
    };
    const all = (key, counts) => {
      take(key, counts.connections.total);
      take(`${key}:in`, counts.bytes.in);
      take(`${key}:out`, counts.bytes.out);
    };
    for (const l of status.listeners) all(`l:${l.name}`, l);
    for (const p of status.pools) {
      all(`p:${p.name}`, p);
      for (const s of p.servers) all(`s:${serverKey(p.name, s.name)}`, s);
    }
    const queries = status.dhcp?.queries;
    if (queries) {
      take('dns:here', queries.local + queries.authoritative + queries.stale);
      take('dns:forwarded', queries.forwarded);
    }
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
}

function prune(map, keep) {
  for (const key of map.keys()) if (!keep.has(key)) map.delete(key);
}
