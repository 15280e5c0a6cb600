// What the dashboard says of a node that is simulated: the verdict, who holds what since when, nodes, rates, drills.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {accessible, focused, until, words} from './browser.mjs';
import {STATES, changed, down, node, nowhere, on, server} from './cases.mjs';
import {healthyDhcp, leaseLike} from './sim.mjs';

const verdictOf = async (change) => {
  let said;
  await on({status: changed(change), ticking: false}, async (page) => { said = await words(page, '#headline'); });
  return said;
};

test('the first sentence says whether clients can reach the API, and why not', async () => {
  assert.match(await verdictOf(STATES.healthy), /Clients can reach kube-api\n.*Nothing is broken/s);
  assert.match(await verdictOf(STATES['server-down']), /Clients can reach kube-api, with problems.*mast-3 is down.*refused.*for 12 s/s);
  assert.match(await verdictOf(STATES['all-down']), /Clients cannot reach kube-api\n.*No server of pool masters takes connections/s);
  assert.match(await verdictOf(nowhere), /Clients cannot reach kube-api\n.*VIP api is held by no node/s);
  assert.match(await verdictOf(STATES.elsewhere), /Clients can reach kube-api\n.*through gate-2/s);
  assert.match(await verdictOf((s) => { s.vips[0].enabled = false; s.vips[0].holder = null; }), /VIP api is disabled/);
  const deaf = (s) => Object.assign(s.listeners[0], {accepting: false, problem: 'address in use'});
  assert.match(await verdictOf(deaf), /does not accept: address in use/);
});

test('a node that is cut off says that it cannot tell, and whom to ask', async () => {
  const quiet = await verdictOf(STATES['no-quorum']);
  assert.match(quiet, /This node is cut off\s+It cannot tell who holds VIP api: ask gate-2 or gate-3\./);
  assert.doesNotMatch(quiet, /cannot reach|held by no node/);
  const out = await verdictOf(STATES['out-of-the-cluster']);
  assert.match(out, /This node is cut off\s+It cannot tell who holds VIP api: ask gate-2 or gate-3\..*Corosync does not answer/s);
  assert.doesNotMatch(out, /is offline|held by no node/);
  const all = await verdictOf((s) => { nowhere(s); s.cluster.quorate = false; });
  assert.match(all, /Clients cannot reach kube-api\n.*VIP api is held by no node/s, 'every node is in sight: none of them has it');
  const forced = await verdictOf((s) => { STATES['no-quorum'](s); Object.assign(s.vips[0], {holder: 'gate-1', held_here: true}); });
  assert.match(forced, /Clients can reach kube-api, with problems\n.*through gate-1/s, 'what it holds itself it knows');
});

test('a listener on every address stands behind the VIPs of its family', async () => {
  const bound = (bind, more = () => {}) => verdictOf((s) => { s.listeners[0].bind = [bind]; more(s); });
  assert.match(await bound('0.0.0.0:6443'), /Clients can reach kube-api\n.*through gate-1/s);
  assert.match(await bound('0.0.0.0:6443', STATES.elsewhere), /Clients can reach kube-api\n.*through gate-2/s);
  assert.match(await bound('0.0.0.0:6443', nowhere), /Clients cannot reach kube-api\n.*VIP api is held by no node/s);
  assert.match(await bound('[::]:6443', nowhere), /Clients can reach kube-api/, 'no VIP of IPv6: it serves its own addresses');
  const six = (s) => { nowhere(s); s.vips[0].address = '2001:db8::20/64'; };
  assert.match(await bound('[::]:6443', six), /Clients cannot reach kube-api\n.*VIP api is held by no node/s);
  assert.match(await bound('0.0.0.0:6443', six), /Clients can reach kube-api/);
});

test('of another holder counts what that node shows of itself, not what is seen from here', async () => {
  const onlyHere = (s) => { STATES.elsewhere(s); s.pools[0].servers.forEach(down); };
  assert.match(await verdictOf(onlyHere), /Clients can reach kube-api, with problems/);
  const none = (s) => { STATES.elsewhere(s); Object.assign(node(s, 2).digest.pools[0], {up: 0, down: ['mast-1', 'mast-2', 'mast-3']}); };
  assert.match(await verdictOf(none), /Clients cannot reach kube-api\n.*No server of pool masters is up on gate-2/s);
  const deaf = (s) => { STATES.elsewhere(s); node(s, 2).digest.listeners[0].accepting = false; };
  assert.match(await verdictOf(deaf), /Clients cannot reach kube-api\n.*does not accept on gate-2/s);
});

test('which servers take connections is the node’s own word', async () => {
  const status = changed(() => {});
  status.pools[0].usable = 2;   // All three are up, and one is not used for a reason that only the node knows.
  await on({status}, async (page) => {
    assert.equal(await words(page, '#pools-note'), '2 of 3 servers take connections');
    await page.click('[data-server="masters/mast-1"] button:has-text("Drain")');
    assert.match(await words(page, '#confirm'), /1 other server of the pool takes the new ones/);
  });
  const backup = (s) => { down(server(s, 1)); down(server(s, 2)); server(s, 3).backup = true; };
  assert.match(await verdictOf(backup), /Clients can reach kube-api, with problems.*Only backup servers of pool masters take connections/s);
});

const TIME = '(?:\\d+ [A-Z][a-z]+ )?\\d\\d:\\d\\d:\\d\\d';   // With its day, of the day before.

test('the first holder a daemon saw is no change: since before then', async () => {
  const seen = {at: new Date(Date.now() - 60e3).toISOString(), holder: 'gate-1', first_seen: true};
  await on({status: changed((s) => { s.vips[0].history = [seen]; })}, async (page, sim) => {
    assert.match(await words(page, '[data-vip="api"] .right'), new RegExp(`since before ${TIME} · more than 1 min \\d+ s ago`));
    assert.match(await words(page, '.history'), new RegExp(`^before ${TIME}\\s+gate-1$`));
    assert.match(await words(page, '#facts'), new RegExp(`since before ${TIME}`));
    Object.assign(sim.status.vips[0], {holder: 'gate-2', held_here: false});
    const next = {at: new Date().toISOString(), first_seen: false};
    sim.status.vips[0].history = [seen, {...next, holder: null}, {...next, holder: 'gate-2'}];
    sim.tell();
    await until(page, () => document.querySelectorAll('.history li').length === 3);
    assert.match(await words(page, '[data-vip="api"] .right'), new RegExp(`since ${TIME} · \\d s ago`));
    assert.match(await words(page, '.history'), new RegExp(`^${TIME}\\s+gate-2\\s+${TIME}\\s+no node\\s+before ${TIME}\\s+gate-1$`));
  });
});

test('each node shows what it said of itself, and how old that is', async () => {
  const status = changed((s) => {
    const reason = 'pool masters: 0 of 3 servers take connections';
    Object.assign(node(s, 2).digest, {ready: false, reason, config_hash: 'other', connections: 7});
    Object.assign(node(s, 2).digest.pools[0], {up: 1, down: ['mast-1', 'mast-2']});
    node(s, 2).digest.listeners.push({name: 'ingress', accepting: false, connections: 0});
    node(s, 3).online = false;
    node(s, 3).digest.age_s = 75;
  });
  await on({status}, async (page, sim) => {
    assert.match(await words(page, '[data-node="gate-1"]'), /ready · 123 open · 1 of 1 listener accepts · masters 3\/3 up$/m);
    assert.match(await words(page, '[data-node="gate-2"]'),
      /not ready: pool masters: 0 of 3 .* · 7 open · 1 of 2 listeners accepts \(not: ingress\) · masters 1\/3 up \(down: mast-1, mast-2\)/);
    assert.match(await words(page, '[data-node="gate-2"]'), /same cluster, other configuration · shown now/);
    assert.match(await words(page, '[data-node="gate-3"]'), /offline.*shown 1 min 15 s ago · ready/s);
    assert.match(await words(page, '#broken'), /Node gate-2 is not ready\s+pool masters: 0 of 3/);
    assert.match(await words(page, '#broken'), /Node gate-2 has another file\s+the cluster in it is the same/);
    node(sim.status, 2).digest = null;
    sim.tell();
    await until(page, () => /shown nothing of itself since/.test(document.querySelector('[data-node="gate-2"]').innerText));
  });
});

test('rates and bytes stand beside every listener, pool and server', async () => {
  await on({}, async (page, sim) => {
    sim.ticking = false;
    for (let i = 0; i < 4; ++i) sim.tick(1);
    await until(page, () => /31\.0 new\/s/.test(document.querySelector('[data-pool="masters"] h3').innerText));
    assert.match(await words(page, '[data-pool="masters"] h3'),
      /least connections · 123 open · 31\.0 new\/s · in 182 KB\/s · out 1\.4 MB\/s/);
    assert.match(await words(page, '[data-server="masters/mast-1"]'), /41 open\s+14\.0 new\/s\s+in 82 KB\/s\s+out 635 KB\/s/);
    assert.match(await words(page, '[data-listener="kube-api"]'), /123 open\s+31\.0 new\/s\s+in 182 KB\/s\s+out 1\.4 MB\/s/);
  });
});

test('how a drill went is shown as it went, and follows by itself', async () => {
  await on({}, async (page, sim) => {
    const cell = (name) => `[data-drill="${name}"] td:last-child`;
    const of = (name) => words(page, cell(name));
    const says = (name, what) => until(page, ([c, w]) => new RegExp(w, 's').test(document.querySelector(c)?.innerText), [cell(name), what]);
    await says('planned', '^passed');
    assert.match(await of('planned'), /outage 8\.3 ms, promised ≤ 20 ms · VIP api · 31 Jan/);
    assert.match(await of('double-failure'), /^failed\s+outage 2\.3 s · VIP api · .*2 nodes answered at once/s);
    assert.equal(await of('kill-node'), 'never told here');
    sim.drillDone('planned', {passed: false, outage_ms: 850, bound_ms: 20, vip: 'api', problem: '850 ms without an answer'});
    await says('planned', '^failed.*outage 850 ms, promised ≤ 20 ms.*850 ms without an answer');
    assert.match(await words(page, '.event .sentence'), /^Drill planned failed, told by uid 0 \(root\)$/);
    sim.drillDone('kill-node', {passed: true, outage_ms: 1900, bound_ms: 2260, vip: 'api', problem: ''});
    await says('kill-node', '^passed.*outage 1\.9 s, promised ≤ 2\.3 s');
    await accessible(page, 'drills');
  });
});

test('a list of drills that does not come is said', async () => {
  await on({}, async (page, sim) => {
    await until(page, () => document.querySelector('[data-drill="planned"]'));
    sim.drillsStatus = 503;
    sim.drillDone('planned', {passed: true, outage_ms: 5, bound_ms: 20, vip: 'api', problem: ''});
    await until(page, () => /did not give its list of drills \(HTTP status 503\)/.test(document.getElementById('drills').innerText));
    assert.ok(await page.locator('[data-drill="planned"]').isVisible());
  }, {expected: /503/});
});

test('a site without DNS and DHCP has no panel of them', async () => {
  await on({}, async (page, sim) => {
    assert.ok(await page.locator('#dhcp-card').isHidden());
    assert.deepEqual(sim.leasesAsked, []);
  });
});

test('each network says who serves it and what is left of its pool, in words', async () => {
  const status = changed((s) => { s.dhcp = healthyDhcp(); });
  await on({status}, async (page, sim) => {
    const of = (name) => words(page, `[data-network="${name}"]`);
    const says = (name, what) => until(page,
      ([n, w]) => new RegExp(w, 's').test(document.querySelector(`[data-network="${n}"]`).innerText), [name, what]);
    assert.match(await words(page, '#dhcp-card'), /dnsmasq 2\.90 ready/);
    assert.match(await of('mast'), /192\.168\.1\.0\/24 · eth1 · router 192\.168\.1\.254 · DNS 192\.168\.1\.1/);
    assert.match(await of('mast'), /served here.*40 of 100 \(40 %\).*43 held\s+3 reserved/s);
    assert.match(await of('node'), /served here.*no pool: known machines only/s);
    const [mast, other] = sim.status.dhcp.networks;
    mast.pool_leased = 91;
    Object.assign(other, {serving: false, held_here: false, holder: 'gate-2'});
    sim.tell();
    await says('mast', '91 of 100 \\(91 %\\), nearly full');
    await says('node', 'by gate-2');
    assert.match(await words(page, '#broken'), /The pool of network mast is nearly full\s+9 of 100 addresses left/);
    Object.assign(other, {holder: null, problem: 'there is no device eth2'});
    Object.assign(mast, {serving: false, sweep: 'running'});
    sim.tell();
    await says('node', 'by no node\\s+there is no device eth2');
    await says('mast', 'soon: looks for addresses in use');
    assert.match(await words(page, '#broken'), /Network node is not served by this node\s+there is no device eth2/);
    Object.assign(sim.status.dhcp.dnsmasq, {state: 'failed', problem: 'port 53 is taken by named (pid 12)'});
    sim.tell();
    await until(page, () => /dnsmasq does not run/.test(document.getElementById('broken').innerText));
    assert.match(await words(page, '#dhcp-card'), /failed.*port 53 is taken by named/s);
    sim.status.dhcp = null;   // A reload took it out.
    sim.tell();
    await page.waitForSelector('#dhcp-card', {state: 'hidden'});
  });
});

test('the newest leases are asked for when there are others, not with every status', async () => {
  const status = changed((s) => { s.dhcp = healthyDhcp(); });
  await on({status}, async (page, sim) => {
    await until(page, () => document.querySelectorAll('[data-lease]').length > 0);
    assert.match(await words(page, '[data-lease="192.168.1.101"]'), /mast.*laptop\s+52:54:00:00:01:65.*11 h 58 min.*gate-1/s);
    assert.deepEqual(sim.leasesAsked, ['?limit=8']);
    const evil = '<img src=x onerror="globalThis.hurt=1">';
    sim.leases = [leaseLike({address: '192.168.1.150', name: evil})];
    sim.status.dhcp.leases.received += 1;
    await page.waitForSelector('[data-lease="192.168.1.150"]');   // Within the ticks that come by themselves.
    assert.equal(await page.locator('[data-lease]').count(), 1);
    assert.match(await words(page, '[data-lease="192.168.1.150"]'), /<img src=x/);
    assert.equal(sim.leasesAsked.length, 2);
    sim.leasesStatus = 503;
    sim.status.dhcp.leases.received += 1;
    await until(page, () => /did not give its leases \(HTTP status 503\)/.test(document.getElementById('dhcp').innerText));
    assert.equal(await page.locator('[data-lease]').count(), 1, 'what was there stays');
  }, {expected: /503/});
});

test('an operator ends a lease, after a dialog that says what that does; a viewer has no button for it', async () => {
  const status = changed((s) => {
    s.dhcp = healthyDhcp();
    s.dhcp.networks[1].held_here = false;   // Another gateway serves it.
  });
  const lease = '[data-lease="192.168.1.101"]';
  await on({status}, async (page, sim) => {
    await page.waitForSelector(`${lease} .actions button`);
    sim.leases.push(leaseLike({network: 'node', address: '192.168.2.77', reserved: false}));
    sim.status.dhcp.leases.received += 1;   // What changes of the node's status is asked for anew.
    await page.waitForSelector('[data-lease="192.168.2.77"]');
    assert.equal(await page.locator('[data-lease="192.168.2.77"] button').count(), 0, 'that is the other gateway’s');
    await page.click(`${lease} .actions button`);
    const said = await words(page, '#confirm');
    assert.match(said, /Release the lease of 192\.168\.1\.101\?.*laptop \(52:54:00:00:01:65\) is not told/s);
    assert.match(said, /at the latest in 11 h 58 min.*Another machine may get the address/s);
    assert.match(await focused(page), /^button#confirm-no/);
    await accessible(page, 'dialog');
    await page.click('#confirm-no');
    assert.deepEqual(sim.posts, []);

    sim.answer = () => ({status: 409, body: {code: 'refused', detail: 'network mast is served by another gateway; ask that one'}});
    await page.click(`${lease} .actions button`);
    await page.click('#confirm-yes');
    await page.waitForSelector('#confirm-problem:not([hidden])');
    assert.equal(await words(page, '#confirm-problem'), 'network mast is served by another gateway; ask that one');
    sim.answer = undefined;
    sim.leases = [];
    await page.click('#confirm-yes');
    await page.waitForSelector('#confirm', {state: 'hidden'});
    assert.deepEqual(sim.posts.at(-1), {path: '/api/v1/dhcp/release', body: {address: '192.168.1.101'}});
    sim.status.dhcp.leases.held -= 1;
    await page.waitForSelector(lease, {state: 'detached'});
  }, {expected: /409/});
  await on({status, role: 'viewer'}, async (page) => {
    await page.waitForSelector(lease);
    assert.equal(await page.locator('#dhcp button').count(), 0);
    assert.doesNotMatch(await words(page, '#dhcp'), /Actions/);
  });
});
