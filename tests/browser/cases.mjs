// States of a simulated node, and a page on it. Whoever imports this has one browser for all its tests.
import {after, before} from 'node:test';
import {Browser} from './browser.mjs';
import {Simulated, healthyDhcp, healthyStatus, serverLike, settle} from './sim.mjs';

export let browser;
before(async () => { browser = await new Browser().start(); });
after(() => browser.stop());

/** A page on a node in this state; both are gone afterwards, and the page had nothing to complain of. */
export async function on(options, act, pageOptions = {}) {
  const sim = await new Simulated(options).start();
  try {
    const page = await browser.open(sim.url, pageOptions);
    await act(page, sim);
    await browser.close(page);
  } finally {
    await sim.stop();
  }
}

export const changed = (change) => {
  const status = healthyStatus();
  change(status);
  return settle(status);
};
export const server = (status, number) => status.pools[0].servers[number - 1];
export const node = (status, number) => status.cluster.nodes[number - 1];
const REFUSED = {result: 'refused', detail: 'connection refused', duration_ms: 0};
export const down = (s) => Object.assign(s, {state: 'down', check: {...REFUSED}, state_since_s: 12});
const alone = (status) => {
  status.cluster = null;
  status.vips = [];
  status.listeners[0].bind = ['0.0.0.0:6443'];
};
export const STATES = {
  healthy: () => {},
  'server-down': (s) => down(server(s, 3)),
  'all-down': (s) => { s.pools[0].servers.forEach(down); s.ready = false; },
  'no-quorum': (s) => {
    s.cluster.quorate = false;
    node(s, 2).online = node(s, 3).online = false;
    node(s, 2).digest.age_s = node(s, 3).digest.age_s = 75;
    Object.assign(s.vips[0], {holder: null, held_here: false, state: 'idle', waits_for: 'no quorum'});
  },
  'out-of-the-cluster': (s) => {
    s.cluster.quorate = false;
    s.cluster.problem = 'Corosync does not answer';
    for (const n of s.cluster.nodes) n.online = false;
    Object.assign(s.vips[0], {holder: null, held_here: false, state: 'idle', lease_ms: 0, eligible: {}});
  },
  'elsewhere': (s) => Object.assign(s.vips[0], {holder: 'gate-2', held_here: false, state: 'idle'}),
  'maintenance': (s) => {
    server(s, 1).state = 'maint';
    server(s, 2).state = 'drain';
    node(s, 2).standby = true;
    s.cluster.frozen = true;
    s.config.last_reload_ok = false;
  },
  'standalone': alone,
  'nothing-configured': (s) => { alone(s); s.listeners = []; s.pools = []; },
  'dhcp': (s) => {
    s.dhcp = healthyDhcp();
    Object.assign(s.dhcp.networks[0], {pool_leased: 93, adopted: 2});
    Object.assign(s.dhcp.networks[1], {serving: false, held_here: false, holder: null, device: '', problem: 'there is no device eth2'});
  },
  'large': (s) => {
    s.pools[0].servers = Array.from({length: 40}, (_, i) => serverLike({...server(s, 1), name: `master-with-a-rather-long-name-${i + 1}`}));
    const bind = ['192.168.4.20:6443', '[2001:db8:0:1:2:3:4:5]:6443'];
    s.listeners = Array.from({length: 8}, (_, i) => ({...structuredClone(s.listeners[0]), name: `listener-${i + 1}`, bind}));
  },
};
export const nowhere = (s) => Object.assign(s.vips[0], {holder: null, held_here: false, state: 'idle'});
