// The WebSocket to /api/v1/watch, kept up: reconnects with back-off and jitter, and notices when nothing comes although it is open.

const FIRST_MS = 500;
const MOST_MS = 15000;
const SILENT_MS = 3500;    // A status is due every second.
const DEAD_MS = 12000;

export class Connection {
  /** on.frame(object), on.state({kind: 'connecting'|'live'|'stale'|'waiting', until, since}) */
  constructor(on, {url = watchUrl(), clock = () => Date.now(), random = Math.random} = {}) {
    this.on = on;
    this.url = url;
    this.clock = clock;
    this.random = random;
    this.failures = 0;
    this.heardAt = 0;
    this.state = {kind: 'connecting'};
  }

  start() {
    this.#open();
    this.beat = setInterval(() => this.#look(), 250);
    addEventListener('online', () => this.now());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.now(); });
  }

  /** A person or the system thinks that it may work again. */
  now() {
    if (this.state.kind !== 'waiting') return;
    clearTimeout(this.retry);
    this.#open();
  }

  #open() {
    this.#become({kind: 'connecting'});
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.openedAt = this.clock();
    socket.onmessage = (message) => {
      if (socket !== this.socket) return;
      this.heardAt = this.clock();
      this.failures = 0;
      if (this.state.kind !== 'live') this.#become({kind: 'live'});
      this.on.frame(JSON.parse(message.data));
    };
    socket.onclose = () => { if (socket === this.socket) this.#wait(); };
  }

  #wait() {
    const most = Math.min(MOST_MS, FIRST_MS * 2 ** this.failures++);
    const ms = most / 2 + this.random() * most / 2;
    this.socket = null;
    this.#become({kind: 'waiting', until: this.clock() + ms, since: this.heardAt});
    this.retry = setTimeout(() => this.#open(), ms);
  }

  #look() {
    const quiet = this.clock() - Math.max(this.heardAt, this.openedAt);
    if (this.socket && quiet > DEAD_MS) {
      this.socket.onclose = null;
      this.socket.close();
      this.#wait();
    } else if (this.state.kind === 'live' && quiet > SILENT_MS) {
      this.#become({kind: 'stale', since: this.heardAt});
    } else if (this.state.kind === 'waiting') {
      this.on.state(this.state);   // The seconds count down.
    }
  }

  #become(state) {
    this.state = state;
    this.on.state(state);
  }
}

/** All events that the node keeps: the page knows again which it has (Store.takeEvent), also when the daemon was started anew meanwhile. */
export function watchUrl(place = location) {
  return `${place.protocol === 'https:' ? 'wss' : 'ws'}://${place.host}/api/v1/watch?interval=1s&after=0`;
}
