// The event stream: newest first, filtered by level and text. Rows are bounded by the store's bound.
import {byId, el, icon, text} from './dom.js';
import {clock, count} from './format.js';
import {EVENTS_MAX, LEVELS} from './store.js';
import {sentence} from './verdict.js';

const SIGNS = {
  error: ['bad', 'bad'], warning: ['warn', 'warn'], notice: ['info', 'info'], info: ['info', 'plain'], debug: ['info', 'plain'],
};

export class Events {
  constructor(store) {
    this.store = store;
    this.list = byId('events');
    this.level = byId('events-level');
    this.words = byId('events-text');
    this.level.onchange = () => this.showAll();
    this.words.oninput = () => this.showAll();
    this.waiting = [];
  }

  /** Kept until the next frame of the screen, which a hidden tab may not have for hours. */
  take(event) {
    this.waiting.push(event);
    if (this.waiting.length > EVENTS_MAX) this.waiting.shift();
  }

  show() {
    if (this.waiting.length) {
      const news = this.waiting.splice(0).slice(-EVENTS_MAX).filter((e) => this.#wanted(e));
      this.list.querySelector('.empty')?.remove();
      this.list.prepend(...news.reverse().map(row));
      this.#dropOld();
    }
    this.#tell();
  }

  showAll() {
    this.waiting.length = 0;
    this.list.replaceChildren(...this.store.events.filter((e) => this.#wanted(e)).reverse().map(row));
    this.#tell();
  }

  /** Rows of events that are no longer kept; with a filter they are fewer than those, and would stay for ever. */
  #dropOld() {
    const oldest = this.store.events[0].arrival;
    while (this.list.lastElementChild?.arrival < oldest) this.list.lastElementChild.remove();
  }

  #tell() {
    const shown = this.list.querySelectorAll('li:not(.empty)').length;
    if (shown === 0 && !this.list.children.length) {
      this.list.append(el('li.empty.muted', {}, this.store.events.length ? 'No event matches the filter.' : 'No event yet.'));
    }
    const lost = this.store.lost ? ` · ${count(this.store.lost)} missed` : '';
    text(byId('events-count'), `${count(shown)} of ${count(this.store.events.length)}${lost}`);
  }

  #wanted(event) {
    if (LEVELS.indexOf(event.level) < LEVELS.indexOf(this.level.value)) return false;
    const words = this.words.value.trim().toLowerCase();
    if (!words) return true;
    const all = `${event.id} ${sentence(event)} ${Object.entries(event.fields).map(([k, v]) => `${k}=${v}`).join(' ')}`.toLowerCase();
    return words.split(/\s+/).every((word) => all.includes(word));
  }
}

function row(event) {
  const [sign, kind] = SIGNS[event.level] ?? SIGNS.info;
  const fields = Object.entries(event.fields).map(([k, v]) => `${k}=${v}`).join('\n');
  const node = el(`li.event.${kind}`, {'data-id': event.id, 'data-sequence': event.sequence},
    el('time', {datetime: event.time, title: event.time}, clock(event.time)),
    el('span.level', {title: event.level}, icon(sign), el('span', {}, event.level)),
    el('span.what', {}, el('span.sentence', {}, sentence(event)), el('code.id', {title: fields}, event.id)));
  node.arrival = event.arrival;
  return node;
}
