// What is highly available: virtual IPs with their holders, and the nodes with what each shows of itself.
import {byId, el, keyed, set, setTag, text} from './dom.js';
import {ago, clock, count, duration, ms, plural} from './format.js';
import {holderOf, holdingWords} from './verdict.js';

const HISTORY_SHOWN = 5;
const DIGEST_IS_NOW_S = 2.5;   // They come each second.

// ---- virtual IPs ----
export class Vips {
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.none = el('p.muted', {hidden: true}, 'None is configured: the listeners answer on addresses of this machine.');
    this.list = el('ul.plain-list');
    byId('vips').append(this.none, this.list);
  }

  show() {
    const {vips} = this.store.status;
    this.none.hidden = vips.length > 0;
    keyed(this.list, vips, (v) => v.name, () => this.#make(), (node, v) => this.#show(node, v));
  }

  #make() {
    const p = {
      head: el('span.strong'), address: el('span.sub'), tag: el('span.tag'), since: el('span.sub'), detail: el('p.sub'),
      able: el('ul.able'), history: el('ol.history'), old: el('p.sub'),
    };
    const head = el('div.item-head', {}, el('div', {}, p.head, p.address), el('div.right', {}, p.tag, p.since));
    const node = el('li.item.vip', {}, head, p.detail, p.able, el('h3', {}, 'Holders'), p.history, p.old);
    node.parts = p;
    return node;
  }

  #show(node, vip) {
    const p = node.parts;
    const {status} = this.store;
    const {holder, known} = holderOf(status, vip);
    set(node, 'data-vip', vip.name);
    set(node, 'data-holder', holder ?? '');
    text(p.head, vip.name);
    text(p.address, `${vip.address} · ${vip.interface}`);
    const {kind, words} = holdingWords(status, vip);
    setTag(p.tag, kind, holder ? `held by ${holder}${vip.held_here ? ' (here)' : ''}` : words);
    const since = known ? this.store.holderSince(vip) : null;
    text(p.since, since ? sinceWords(since) : '');
    text(p.detail, [
      vip.waits_for, vip.flapping && 'moved too often: stays until its holder is lost',
      vip.drains_for_ms > 0 && `moves in ${duration(vip.drains_for_ms / 1000)} at most`,
      vip.held_here && vip.lease_ms > 0 && `lease ${ms(vip.lease_ms)} ahead`, `term ${vip.epoch}`,
    ].filter(Boolean).join(' · '));
    keyed(p.able, Object.entries(vip.eligible), ([name]) => name, () => el('li', {}, el('span.tag')), (item, [name, e]) => {
      const cannot = `${name} cannot${e.reason ? `: ${e.reason}` : ''}`;
      setTag(item.firstElementChild, e.ok ? 'ok' : 'idle', e.ok ? `${name} can hold it` : cannot);
    });
    this.#showHistory(p, vip.history);
    if (this.store.operator && status.cluster && !p.move) {
      const button = this.actions.button('Move…', `Move VIP ${vip.name} to another node`, () => {
        const now = this.store.status.vips.find((v) => v.name === vip.name);
        if (now) this.actions.moveVip(now);
      });
      p.move = el('div.actions', {}, button);
      node.append(p.move);
    }
  }

  /** The newest first. The first of a daemon's life is no change: it was so when that one looked. */
  #showHistory(p, history) {
    const shown = history.slice(-HISTORY_SHOWN).reverse();
    keyed(p.history, shown, (h) => `${h.at} ${h.holder}`, () => el('li', {}, el('time'), el('span')), (item, h) => {
      const [time, what] = item.children;
      set(time, 'datetime', h.at);
      set(time, 'title', h.at);
      text(time, `${h.first_seen ? 'before ' : ''}${clock(h.at)}`);
      text(what, h.holder ?? 'no node');
    });
    const more = history.length - shown.length;
    text(p.old, more > 0 ? `and ${plural(more, 'earlier change')}` : history.length ? '' : 'Nobody was seen holding it so far.');
  }
}

const sinceWords = (since) =>
  (since.exact ? `since ${clock(since.at)} · ${ago(since.at)}` : `since before ${clock(since.at)} · more than ${ago(since.at)}`);

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
    else {
      const tie = c.tie_break && c.tie_break !== 'off' ? ` · tie-break ${c.tie_break}` : '';
      const words = `${c.quorate ? 'quorate' : 'no quorum'} · ${plural(c.votes, 'vote')}${tie}${c.frozen ? ' · frozen' : ''}`;
      setTag(this.quorum, c.quorate ? 'ok' : 'bad', words);
    }
    const alone = {name: status.node, online: true, standby: false, version: status.version, config_match: true, links: [], digest: null};
    keyed(this.list, c?.nodes ?? [alone], (n) => n.name, () => this.#make(), (node, n) => this.#show(node, n));
  }

  #make() {
    const p = {head: el('span.strong'), sub: el('span.sub'), tag: el('span.tag'), actions: el('div.actions'), digest: el('p.sub.digest')};
    const head = el('div.item-head', {}, el('div', {}, p.head, p.sub), el('div.right', {}, p.tag, p.actions));
    const node = el('li.item.node', {}, head, p.digest);
    node.parts = p;
    return node;
  }

  #show(node, n) {
    const p = node.parts;
    const {status} = this.store;
    const here = n.name === status.node;
    set(node, 'data-node', n.name);
    text(p.head, n.name);
    text(p.sub, [
      here && 'this node', n.version && `version ${n.version}`, here && status.engine, here && `up ${duration(status.uptime_s)}`,
      ...n.links.map((l) => `link ${l.link} ${l.up ? 'up' : 'down'}`),
    ].filter(Boolean).join(' · '));
    setTag(p.tag, ...this.#tagOf(n));
    const nothing = status.cluster && !here ? 'It has shown nothing of itself since this daemon started.' : '';
    text(p.digest, n.digest ? digestWords(n, status) : nothing);
    if (!this.store.operator || !status.cluster) return;
    const wanted = n.standby ? 'Set online' : 'Standby';
    if (p.actions.textContent === wanted) return;
    const held = p.actions.contains(document.activeElement);
    const button = this.actions.button(wanted, `${wanted}: node ${n.name}`, () => this.actions.node(n.name, !n.standby));
    p.actions.replaceChildren(button);
    if (held) button.focus();
  }

  #tagOf(n) {
    const {status} = this.store;
    if (!n.online && status.cluster.problem) return n.name === status.node ? ['bad', 'cut off'] : ['idle', 'not seen from here'];
    if (!n.online) return ['bad', 'offline'];
    if (n.standby) return ['hold', 'standby'];
    const holds = status.vips.filter((v) => holderOf(status, v).holder === n.name).map((v) => v.name);
    const ready = n.digest?.ready ?? true;
    const words = holds.length ? `holds ${holds.join(', ')}` : 'online';
    return [n.config_match && ready ? 'ok' : 'warn', ready ? words : `${words}, not ready`];
  }
}

/** What the node last showed of itself: ready, connections, listeners, servers, configuration, and how old that is. */
function digestWords(n, status) {
  const d = n.digest;
  const accept = d.listeners.filter((l) => l.accepting).length;
  const not = d.listeners.filter((l) => !l.accepting).map((l) => l.name);
  const listeners = `${accept} of ${plural(d.listeners.length, 'listener')} ${accept === 1 ? 'accepts' : 'accept'}`;
  const servers = d.pools.map((p) => `${p.name} ${p.up}/${p.servers} up${p.down.length ? ` (down: ${p.down.join(', ')})` : ''}`);
  const rest = d.config_hash === status.config.hash ? 'same configuration' : 'same cluster, other configuration';
  const config = n.config_match ? rest : 'other cluster configuration';
  const fresh = d.age_s < DIGEST_IS_NOW_S;
  return [
    !fresh && `shown ${duration(d.age_s)} ago`, d.ready ? 'ready' : `not ready: ${d.reason}`, `${count(d.connections)} open`,
    `${listeners}${not.length ? ` (not: ${not.join(', ')})` : ''}`,
    ...servers, ...(n.name === status.node ? [] : [config, fresh && 'shown now']),
  ].filter(Boolean).join(' · ');
}
