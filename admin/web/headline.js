// The first card: the verdict, the facts beside it, and what is broken.
import {byId, el, icon, keyed, set, text} from './dom.js';
import {ago, clock, count, duration, plural, rate} from './format.js';
import {holderOf, holdingWords, usable} from './verdict.js';

const KINDS = {bad: 'broken', warn: 'warning', info: 'note', ok: ''};

const makeProblem = () =>
  el('li.problem-item', {}, el('span.sign'), el('div', {}, el('span.strong'), ' ', el('span.sub')), el('span.when'));

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
    const some = broken.length === notes ? 'Under way' : `Needs a look (${broken.length - notes})`;
    text(byId('broken-title'), broken.length === 0 ? 'What is broken' : some);
    const seen = this.store.seen(broken.map((p) => p.key));
    const items = broken.length ? broken : [{key: 'nothing', kind: 'ok', what: 'Nothing.', detail: ''}];
    keyed(this.broken, items, (p) => p.key, makeProblem, (node, p) => {
      const [sign, body, when] = node.children;
      if (sign.dataset.kind !== p.kind) {
        sign.dataset.kind = p.kind;
        sign.replaceChildren(icon(p.kind), el('span.unseen', {}, KINDS[p.kind]));
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
      const {holder, known} = holderOf(status, v);
      const since = known ? this.store.holderSince(v) : null;
      const sub = since ? `${since.exact ? 'since' : 'since before'} ${clock(since.at)}` : v.address;
      return [`VIP ${v.name}`, holder ?? holdingWords(status, v).words, sub];
    });
    const all = status.pools.reduce((n, p) => n + p.servers.length, 0);
    const up = status.pools.reduce((n, p) => n + usable(p), 0);
    facts.push(['Servers', `${up} of ${all}`, up === 1 ? 'takes connections' : 'take connections']);
    if (c) {
      const quorum = c.problem ? 'not in the cluster' : c.quorate ? 'yes' : 'no';
      const online = `${c.nodes.filter((n) => n.online).length} of ${plural(c.nodes.length, 'node')} online`;
      facts.push(['Quorum', quorum, c.problem || online]);
    }
    const open = status.listeners.reduce((n, l) => n + l.connections.current, 0);
    const perSecond = status.listeners.reduce((n, l) => n + (this.store.rate(`l:${l.name}`) || 0), 0);
    facts.push(['Connections here', count(open), `${rate(perSecond)} new/s`]);
    facts.push(['Changed last', change ? ago(change.event.time) : '–', change ? change.words : 'nothing since the daemon started']);
    const make = ([name]) => el('div', {}, el('dt', {}, name), el('dd', {}, el('span.value'), el('span.sub')));
    keyed(this.facts, facts, ([name]) => name, make, (node, [name, value, sub]) => {
      set(node, 'class', name === 'Changed last' ? 'wide-fact' : null);
      text(node.lastElementChild.firstElementChild, value);
      text(node.lastElementChild.lastElementChild, sub);
      set(node.lastElementChild.lastElementChild, 'title', name === 'Changed last' ? sub : null);
    });
  }
}
