// DNS and DHCP: dnsmasq, the networks with who serves them and what is left of their pools, the newest leases, with what operators may do
// to them. Not there at all at a site without them.
import {byId, el, keyed, set, setTag, text} from './dom.js';
import {count, duration, plural, rate} from './format.js';
import {cells, pair, showPair, table} from './tables.js';
import {nearlyFull} from './verdict.js';

const LEASES_SHOWN = 8;
const LOAD_GAP_MS = 2000;   // Leases of many machines that start together are asked for once.
const BAR = {width: 96, height: 8};
const DNSMASQ = {
  ready: ['ok', 'ready'], starting: ['hold', 'starting'], restarting: ['warn', 'restarting'], failed: ['bad', 'failed'],
  stopped: ['idle', 'stopped'],
};
const NETWORKS = [['name', 'Network', 'head'], ['served', 'Served'], ['pool', 'Pool in use'], ['leases', 'Leases', 'number']];
const LEASES = [['address', 'Address', 'head'], ['who', 'Machine'], ['left', 'Left', 'number'], ['holder', 'Given by']];

export class Dhcp {
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.columns = store.operator ? [...LEASES, ['actions', 'Actions']] : LEASES;
    this.card = byId('dhcp-card');
    this.facts = el('p.muted');
    const place = byId('dhcp');
    place.append(this.facts);
    this.networks = table(place, 'Networks', NETWORKS);
    this.title = el('h3', {}, 'Newest leases');
    this.problem = el('p.muted', {hidden: true});
    place.append(this.title, this.problem);
    this.leases = table(place, 'Newest leases', this.columns);
    this.list = [];
    this.loaded = '';      // What the leases that are shown belong to.
    this.askedAt = 0;
    this.loading = false;
  }

  show() {
    const dhcp = this.store.status?.dhcp;
    this.card.hidden = !dhcp;
    if (!dhcp) return;
    const [kind, said] = DNSMASQ[dhcp.dnsmasq.state] ?? ['idle', dhcp.dnsmasq.state];
    setTag(byId('dnsmasq'), kind, `dnsmasq ${dhcp.dnsmasq.version} ${said}`.replace('  ', ' '));
    text(this.facts, this.#factsOf(dhcp));
    keyed(this.networks, dhcp.networks, (n) => n.name, () => makeNetwork(), (row, n) => showNetwork(row, n));
    this.#loadIfNews(dhcp);
    keyed(this.leases, this.list, (l) => `${l.network} ${l.address}`, () => makeLease(this.columns), (row, l) => {
      showLease(row, l);
      if (row.parts.actions) this.#showActions(row, l);
    });
    this.title.hidden = this.leases.parentElement.hidden = this.list.length === 0;
  }

  /** A lease is ended by the gateway that serves its network: of another's there is no button here. */
  #showActions(row, l) {
    row.lease = l;
    const here = l.state === 'held' && this.store.status.dhcp.networks.some((n) => n.name === l.network && n.held_here);
    if (here === Boolean(row.parts.actions.firstElementChild)) return;
    const act = () => this.actions.releaseLease(row.lease);
    const button = () => el('div.actions', {}, this.actions.button('Release…', `End the lease of ${l.address}`, act));
    row.parts.actions.replaceChildren(...(here ? [button()] : []));
  }

  #factsOf(dhcp) {
    const {dnsmasq, queries, leases} = dhcp;
    return [
      dnsmasq.problem, `for ${duration(dnsmasq.since_s)}`, dnsmasq.restarts > 0 && plural(dnsmasq.restarts, 'restart'),
      queries && `${rate(this.store.rate('dns:here'))} queries/s answered here`,
      queries && `${rate(this.store.rate('dns:forwarded'))}/s sent on to ${dhcp.upstream.join(', ') || 'nobody'}`,
      queries?.unanswered > 0 && `${count(queries.unanswered)} without an answer`,
      leases.conflicts > 0 && plural(leases.conflicts, 'lease conflict'),
      leases.damaged_lines > 0 && `${plural(leases.damaged_lines, 'damaged line')} of the lease file set aside`,
      leases.problem,
    ].filter(Boolean).join(' · ');
  }

  #loadIfNews(dhcp) {
    const {held, released, sent, received} = dhcp.leases;
    const now = [this.store.status.node, this.store.status.pid, held, released, sent, received].join(' ');
    if (now === this.loaded || this.loading || Date.now() - this.askedAt < LOAD_GAP_MS) return;
    this.askedAt = Date.now();
    this.loading = true;
    fetchLeases().then(({leases, problem}) => {
      if (leases) {
        this.list = leases;
        this.loaded = now;
      }
      text(this.problem, problem);
      this.problem.hidden = !problem;
      this.loading = false;
      this.show();
    });
  }
}

// ---- networks ----
function makeNetwork() {
  const row = el('tr');
  const c = cells(row, NETWORKS);
  c.name.append(el('span.strong'), el('span.sub'));
  c.served.append(el('span.tag'), el('span.sub'));
  const size = {viewBox: `0 0 ${BAR.width} ${BAR.height}`, width: BAR.width, height: BAR.height};
  const whole = el('rect', {class: 'whole', width: BAR.width, height: BAR.height, rx: 2});
  c.pool.append(el('svg.bar', {...size, 'aria-hidden': 'true'}, whole, el('rect', {class: 'used', height: BAR.height, rx: 2})));
  c.pool.append(el('span.bar-words'), el('span.sub'));
  c.leases.append(...pair());
  return row;
}

function showNetwork(row, n) {
  const c = row.parts;
  set(row, 'data-network', n.name);
  text(c.name.firstElementChild, n.name);
  const facts = [n.cidr, n.device || n.interface, n.router && `router ${n.router}`, n.dns && `DNS ${n.dns}`];
  text(c.name.lastElementChild, facts.filter(Boolean).join(' · '));
  setTag(c.served.firstElementChild, ...servedBy(n));
  text(c.served.lastElementChild, n.problem || (n.adopted > 0 ? `${plural(n.adopted, 'address', 'addresses')} found in use` : ''));
  const [svg, said, range] = c.pool.children;
  const share = n.pool_size > 0 ? n.pool_leased / n.pool_size : 0;
  set(svg, 'class', n.pool_size === 0 ? 'bar none' : nearlyFull(n) ? 'bar full' : 'bar');
  set(svg.lastElementChild, 'width', (Math.min(1, share) * BAR.width).toFixed(1));
  const words = `${count(n.pool_leased)} of ${count(n.pool_size)} (${Math.floor(share * 100)} %)${nearlyFull(n) ? ', nearly full' : ''}`;
  text(said, n.pool_size > 0 ? words : 'no pool: known machines only');
  text(range, n.pool.join(' – '));
  showPair(c.leases, `${count(n.leases_held)} held`, `${count(n.reservations)} reserved`);
}

function servedBy(n) {
  if (n.serving) return ['ok', 'served here'];
  if (n.held_here && n.sweep === 'running') return ['hold', 'soon: looks for addresses in use'];
  if (n.held_here) return ['warn', 'held here, not served'];
  return n.holder ? ['idle', `by ${n.holder}`] : ['bad', 'by no node'];
}

// ---- leases ----
function makeLease(columns) {
  const row = el('tr');
  const c = cells(row, columns);
  c.address.append(el('span.strong'), el('span.sub'));
  c.who.append(...pair());
  return row;
}

function showLease(row, l) {
  const c = row.parts;
  set(row, 'data-lease', l.address);
  text(c.address.firstElementChild, l.address);
  text(c.address.lastElementChild, l.reserved ? `${l.network} · reserved` : l.network);
  showPair(c.who, l.name || 'no name', l.mac);
  text(c.left, duration(l.seconds_left));
  text(c.holder, l.holder);
}

/** {leases} or {problem: in words}. What was loaded before stays on the page; the next change asks again. */
async function fetchLeases() {
  try {
    const answer = await fetch(`/api/v1/dhcp/leases?limit=${LEASES_SHOWN}`);
    if (answer.ok) return {leases: (await answer.json()).leases, problem: ''};
    return {problem: `The node did not give its leases (HTTP status ${answer.status}); what stands here may be old.`};
  } catch (failed) {
    return {problem: `The node did not give its leases (${failed.message}); what stands here may be old.`};
  }
}
