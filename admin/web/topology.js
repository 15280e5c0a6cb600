// Clients -> virtual IP -> holder -> servers, as a picture that follows the status. Columns where there is room, rows on a phone.
import {el, icon, keyed, set, text} from './dom.js';
import {count, rate} from './format.js';
import {serverKey} from './store.js';
import {holderOf, holdingWords, vipsOf} from './verdict.js';

const SHOWN_SERVERS_MAX = 12;
const BOX_HEIGHT = 46;
const NARROW = 620;
const STATE_SIGN = {up: 'ok', down: 'bad', drain: 'hold', maint: 'tool', unknown: 'info'};
const STATE_KIND = {up: 'ok', down: 'bad', drain: 'hold', maint: 'hold', unknown: 'idle'};

/** Boxes by column and links between them; pure, from the status and its rates. */
export function graph(store) {
  const status = store.status;
  const nodes = status.cluster?.nodes ?? [{name: status.node, online: true, standby: false}];
  const columns = [[], [], [], []];
  const links = [];
  let open = 0;
  let perSecond = 0;
  const entries = new Map();
  for (const l of status.listeners) {
    const vips = vipsOf(status, l);
    const mine = store.rate(`l:${l.name}`);
    open += l.connections.current;
    perSecond += Number.isFinite(mine) ? mine : 0;
    for (const at of vips.length ? vips.map((v) => `vip:${v.name}`) : [`listener:${l.name}`]) {
      const entry = entries.get(at) ?? {rate: 0, open: 0, pools: new Set(), listeners: []};
      entry.rate += (Number.isFinite(mine) ? mine : 0) / Math.max(1, vips.length);
      entry.open += l.connections.current;
      entry.pools.add(l.pool);
      entry.listeners.push(l);
      entries.set(at, entry);
    }
  }
  columns[0].push({id: 'clients', name: 'Clients', sub: `${count(open)} open · ${rate(perSecond)}/s`, kind: 'plain', sign: 'star'});
  for (const v of status.vips) {
    const entry = entries.get(`vip:${v.name}`);
    const {holder} = holderOf(status, v);
    const {kind, words} = holdingWords(status, v);
    columns[1].push({id: `vip:${v.name}`, name: v.name, sub: `${words} · ${v.address.replace(/\/\d+$/, '')}`, kind, sign: kind});
    if (entry) links.push({from: 'clients', to: `vip:${v.name}`, rate: entry.rate, open: entry.open, dead: !holder});
    if (holder) links.push({from: `vip:${v.name}`, to: `node:${holder}`, rate: entry?.rate ?? 0, open: entry?.open ?? 0, dead: false});
  }
  for (const l of status.listeners) {
    const entry = entries.get(`listener:${l.name}`);
    if (!entry) continue;
    const id = `listener:${l.name}`;
    columns[1].push({id, name: l.name, sub: l.bind.join(' '), kind: l.accepting ? 'ok' : 'bad', sign: l.accepting ? 'ok' : 'bad'});
    links.push({from: 'clients', to: id, rate: entry.rate, open: entry.open, dead: !l.accepting});
    if (l.accepting) links.push({from: id, to: `node:${status.node}`, rate: entry.rate, open: entry.open, dead: false});
  }
  const holds = (name) => status.vips.some((v) => holderOf(status, v).holder === name);
  for (const n of nodes) {
    const here = n.name === status.node;
    const unseen = !n.online && Boolean(status.cluster?.problem);
    const off = !unseen ? 'offline' : here ? 'cut off' : 'not seen';
    const does = !n.online ? off : n.standby ? 'standby' : holds(n.name) || (!status.vips.length && here) ? 'serves' : 'warm, waits';
    const kind = !n.online ? (unseen && !here ? 'idle' : 'bad') : n.standby ? 'hold' : does === 'serves' ? 'ok' : 'idle';
    const sub = `${does}${here ? ' · this node' : ''}`;
    columns[2].push({id: `node:${n.name}`, name: n.name, sub, kind, sign: kind, dim: does !== 'serves'});
  }
  for (const pool of status.pools) serversOf(pool, entries, store, columns[3], links, nodes);
  return {columns, links};
}

function serversOf(pool, entries, store, column, links, nodes) {
  const status = store.status;
  const sources = new Set();
  for (const [at, entry] of entries) {
    if (!entry.pools.has(pool.name)) continue;
    const vip = at.startsWith('vip:') ? status.vips.find((v) => `vip:${v.name}` === at) : null;
    const holder = vip ? holderOf(status, vip).holder : status.node;
    if (holder) sources.add(holder);
  }
  const several = status.pools.length > 1;
  const shown = pool.servers.slice(0, pool.servers.length > SHOWN_SERVERS_MAX ? SHOWN_SERVERS_MAX - 1 : SHOWN_SERVERS_MAX);
  for (const s of shown) {
    const id = `server:${serverKey(pool.name, s.name)}`;
    const r = store.rate(`s:${serverKey(pool.name, s.name)}`);
    const sub = s.state === 'up' ? `${count(s.connections.current)} open · ${rate(r)}/s` : s.state === 'maint' ? 'maintenance' : s.state;
    const name = several ? `${pool.name}/${s.name}` : s.name;
    column.push({id, name, sub, kind: STATE_KIND[s.state], sign: STATE_SIGN[s.state], dim: s.state !== 'up'});
    const dead = s.state !== 'up' && s.state !== 'drain';
    for (const node of sources) {
      if (!nodes.some((n) => n.name === node)) continue;
      const here = node === status.node;
      links.push({from: `node:${node}`, to: id, rate: here && Number.isFinite(r) ? r : 0, open: here ? s.connections.current : 0, dead});
    }
  }
  const rest = pool.servers.length - shown.length;
  if (rest === 0) return;
  column.push({id: `rest:${pool.name}`, name: `${rest} more`, sub: several ? pool.name : 'see the table', kind: 'plain', sign: 'info'});
}

/** Places: {id -> {x, y, w}}, height. */
export function layout(columns, width) {
  const places = new Map();
  if (width >= NARROW) {
    const gap = Math.max(28, Math.min(84, width * 0.07));
    const w = (width - 3 * gap) / 4;
    const rows = Math.max(...columns.map((c) => c.length), 1);
    const step = BOX_HEIGHT + 12;
    const height = rows * step + 4;
    columns.forEach((boxes, column) => {
      const top = (height - (boxes.length * step - 12)) / 2;
      boxes.forEach((box, row) => places.set(box.id, {x: column * (w + gap), y: top + row * step, w}));
    });
    return {places, height, rows: false};
  }
  let y = 2;
  for (const boxes of columns) {
    const across = boxes.length === 1 ? 1 : boxes.length % 3 === 0 && width > 290 ? 3 : 2;
    const w = across === 1 ? Math.min(width, 230) : (width - 8 * (across - 1)) / across;
    boxes.forEach((box, i) => {
      const inRow = Math.min(across, boxes.length - Math.floor(i / across) * across);
      const left = (width - (inRow * w + (inRow - 1) * 8)) / 2;
      places.set(box.id, {x: left + (i % across) * (w + 8), y: y + Math.floor(i / across) * (BOX_HEIGHT + 8), w});
    });
    y += Math.ceil(boxes.length / across) * (BOX_HEIGHT + 8) + 24;
  }
  return {places, height: Math.max(y - 30, BOX_HEIGHT), rows: true};
}

const fit = (words, pixels) => {
  const most = Math.max(4, Math.floor(pixels));
  return words.length > most ? `${words.slice(0, most - 1)}…` : words;
};

export class Topology {
  constructor(place, note) {
    this.note = note;
    this.links = el('g', {class: 'links'});
    this.boxes = el('g', {class: 'boxes'});
    this.svg = el('svg', {role: 'img', 'aria-label': 'Path of a connection'}, this.links, this.boxes);
    place.append(this.svg);
    this.place = place;
    this.width = 0;
    new ResizeObserver(() => { if (this.store?.status) this.show(this.store); }).observe(place);
  }

  show(store) {
    this.store = store;
    const width = Math.floor(this.place.clientWidth);
    if (width < 10) return;
    const {columns, links} = graph(store);
    const {places, height, rows} = layout(columns, width);
    set(this.svg, 'viewBox', `0 0 ${width} ${height}`);
    set(this.svg, 'width', width);
    set(this.svg, 'height', height);
    set(this.svg, 'aria-label', spoken(columns));
    const most = Math.max(1, ...links.map((l) => l.rate));
    const drawn = links.filter((l) => places.has(l.from) && places.has(l.to));
    keyed(this.links, drawn, (l) => `${l.from}>${l.to}`, makeLink, (node, l) => placeLink(node, l, places, rows, most));
    keyed(this.boxes, columns.flat(), (b) => b.id, makeBox, (node, b) => placeBox(node, b, places.get(b.id)));
    const status = store.status;
    const others = [...new Set(status.vips.filter((v) => !v.held_here).map((v) => holderOf(status, v).holder).filter(Boolean))];
    const carry = others.length === 1 ? 'carries' : 'carry';
    text(this.note, others.length ? `${others.join(' and ')} ${carry} the traffic; the rates here are ${status.node}’s own` : '');
  }
}

function spoken(columns) {
  return columns.map((boxes) => boxes.map((b) => `${b.name}: ${b.sub}`).join(', ')).join('; then ');
}

function makeLink() {
  return el('g', {class: 'link'}, el('path', {class: 'base'}), el('path', {class: 'flow'}));
}

function placeLink(node, link, places, rows, most) {
  const a = places.get(link.from);
  const b = places.get(link.to);
  const half = BOX_HEIGHT / 2;
  let d;
  if (rows) {
    const [x1, y1, x2, y2] = [a.x + a.w / 2, a.y + BOX_HEIGHT, b.x + b.w / 2, b.y];
    const bend = Math.max(8, (y2 - y1) / 2);
    d = `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
  } else {
    const [x1, y1, x2, y2] = [a.x + a.w, a.y + half, b.x, b.y + half];
    const bend = Math.max(12, (x2 - x1) / 2);
    d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  }
  const flowing = !link.dead && (link.rate > 0 || link.open > 0);
  const strength = link.rate > 0 ? 1.6 + 4.4 * Math.sqrt(link.rate / most) : 1.6;
  for (const path of node.children) set(path, 'd', d);
  set(node, 'class', `link${link.dead ? ' dead' : ''}${flowing ? ' flowing' : ''}${link.rate > 0 ? ' busy' : ''}`);
  set(node.lastElementChild, 'stroke-width', strength.toFixed(1));
}

function makeBox() {
  const sign = icon('info');
  for (const [key, value] of Object.entries({x: 9, y: 8, width: 13, height: 13})) set(sign, key, value);
  const name = el('text', {class: 'name', x: 27, y: 19});
  return el('g', {class: 'box'}, el('rect', {rx: 8, height: BOX_HEIGHT}), sign, name, el('text', {class: 'sub', x: 10, y: 36}));
}

function placeBox(node, box, place) {
  const [rect, sign, name, sub] = node.children;
  set(node, 'class', `box ${box.kind}${box.dim ? ' dim' : ''}`);
  set(node, 'transform', `translate(${place.x.toFixed(1)} ${place.y.toFixed(1)})`);
  set(node, 'data-id', box.id);
  set(rect, 'width', place.w.toFixed(1));
  set(sign.firstElementChild, 'href', `#i-${box.sign}`);
  text(name, fit(box.name, (place.w - 34) / 7.9));
  text(sub, fit(box.sub, (place.w - 18) / 6.3));
}
