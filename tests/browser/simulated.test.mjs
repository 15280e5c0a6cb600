// The dashboard against a node that is simulated: rare states, floods, hours, hostile names, other people's rights.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {Browser, accessible, focused, noSidewaysScroll, picture, until, words} from './browser.mjs';
import {Simulated, healthyStatus, like, serverLike, settle, vipLike} from './sim.mjs';

let browser;
before(async () => { browser = await new Browser().start(); });
after(() => browser.stop());

/** A page on a node in this state; both are gone afterwards, and the page had nothing to complain of. */
async function on(options, act, pageOptions = {}) {
  const sim = await new Simulated(options).start();
  try {
    const page = await browser.open(sim.url, pageOptions);
    await act(page, sim);
    await browser.close(page);
  } finally {
    await sim.stop();
  }
}

const changed = (change) => {
  const status = healthyStatus();
  change(status);
  return settle(status);
};
const server = (status, number) => status.pools[0].servers[number - 1];
const node = (status, number) => status.cluster.nodes[number - 1];
const REFUSED = {result: 'refused', detail: 'connection refused', duration_ms: 0};
const down = (s) => Object.assign(s, {state: 'down', check: {...REFUSED}, state_since_s: 12});
const alone = (status) => {
  status.cluster = null;
  status.vips = [];
  status.listeners[0].bind = ['0.0.0.0:6443'];
};
const STATES = {
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
  'large': (s) => {
    s.pools[0].servers = Array.from({length: 40}, (_, i) => serverLike({...server(s, 1), name: `master-with-a-rather-long-name-${i + 1}`}));
    const bind = ['192.168.4.20:6443', '[2001:db8:0:1:2:3:4:5]:6443'];
    s.listeners = Array.from({length: 8}, (_, i) => ({...structuredClone(s.listeners[0]), name: `listener-${i + 1}`, bind}));
  },
};
const IN_THE_DARK = ['healthy', 'server-down', 'no-quorum', 'maintenance'];   // Every colour there is.

for (const [name, change] of Object.entries(STATES)) {
  test(`${name}: readable on a desk and on a phone, by everybody`, async () => {
    await on({status: changed(change)}, async (page, sim) => {
      sim.event('SERVER_DOWN', 'warning', {pool: 'masters', server: 'mast-3', reason: 'connection refused'});
      sim.tick(1);
      sim.tick(1);
      await until(page, () => document.querySelector('.event'));
      await accessible(page, `${name}, light`);
      await picture(page, `sim-${name}-light`, true);
      if (IN_THE_DARK.includes(name)) {
        await page.emulateMedia({colorScheme: 'dark'});
        await accessible(page, `${name}, dark`);
        await picture(page, `sim-${name}-dark`, true);
      }
      await page.setViewportSize({width: 360, height: 740});
      await until(page, () => innerWidth === 360);
      await noSidewaysScroll(page, name);
      if (name === 'maintenance') await accessible(page, `${name}, phone`);
      await picture(page, `sim-${name}-phone`, true);
    });
  });
}

const verdictOf = async (change) => {
  let said;
  await on({status: changed(change)}, async (page) => { said = await words(page, '#headline'); });
  return said;
};

const nowhere = (s) => Object.assign(s.vips[0], {holder: null, held_here: false, state: 'idle'});

test('the first sentence says whether clients can reach the API, and why not', async () => {
  assert.match(await verdictOf(STATES.healthy), /Clients can reach kube-api\n.*Nothing is broken/s);
  assert.match(await verdictOf(STATES['server-down']), /Clients can reach kube-api, with problems.*mast-3 is down.*refused.*for 1\d s/s);
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
  const on = (bind, more = () => {}) => verdictOf((s) => { s.listeners[0].bind = [bind]; more(s); });
  assert.match(await on('0.0.0.0:6443'), /Clients can reach kube-api\n.*through gate-1/s);
  assert.match(await on('0.0.0.0:6443', STATES.elsewhere), /Clients can reach kube-api\n.*through gate-2/s);
  assert.match(await on('0.0.0.0:6443', nowhere), /Clients cannot reach kube-api\n.*VIP api is held by no node/s);
  assert.match(await on('[::]:6443', nowhere), /Clients can reach kube-api/, 'no VIP of IPv6: it serves its own addresses');
  const six = (s) => { nowhere(s); s.vips[0].address = '2001:db8::20/64'; };
  assert.match(await on('[::]:6443', six), /Clients cannot reach kube-api\n.*VIP api is held by no node/s);
  assert.match(await on('0.0.0.0:6443', six), /Clients can reach kube-api/);
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

test('a viewer has no actions, not even disabled ones', async () => {
  await on({role: 'viewer'}, async (page) => {
    assert.equal(await words(page, '#caller'), 'viewer');
    assert.equal(await page.locator('main button').count(), 0);
    assert.equal(await page.locator('th', {hasText: 'Actions'}).count(), 0);
  });
});

test('an operator is told what will happen, and Cancel does nothing', async () => {
  await on({}, async (page, sim) => {
    await page.click('[data-server="masters/mast-1"] button:has-text("Drain")');
    assert.match(await words(page, '#confirm'),
      /Drain server masters\/mast-1\?.*no new connections.*41 open connections.*2 other servers of the pool take the new ones/s);
    assert.match(await focused(page), /^button#confirm-no/);
    await accessible(page, 'dialog');
    await picture(page, 'sim-dialog');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#confirm', {state: 'hidden'});
    assert.deepEqual(sim.posts, []);
    await page.click('[data-server="masters/mast-1"] button:has-text("Drain")');
    await page.click('#confirm-yes');
    await page.waitForSelector('.toast.ok');
    assert.deepEqual(sim.posts, [{path: '/api/v1/servers/masters/mast-1/state', body: {state: 'drain'}}]);
  });
});

test('what would do harm is refused first, and done when asked for again', async () => {
  const detail = 'it is the last server of the pool; --force (API: "force": true) does it all the same';
  const refused = {status: 409, body: {code: 'refused', force: true, detail, status: 409}};
  await on({}, async (page, sim) => {
    sim.answer = (path, body) => (body.force ? null : refused);
    await page.click('[data-server="masters/mast-1"] button:has-text("Maintenance")');
    await page.click('#confirm-yes');
    await page.waitForSelector('#confirm-problem:not([hidden])');
    assert.equal(await words(page, '#confirm-problem'), 'it is the last server of the pool.');
    await page.click('#confirm-yes:has-text("Maintenance anyway")');
    await page.waitForSelector('.toast.ok');
    assert.deepEqual(sim.posts.map((p) => p.body), [{state: 'maint'}, {state: 'maint', force: true}]);
  }, {expected: /409/});
});

test('what force cannot do is not offered', async () => {
  const detail = 'node standby gate-2: this node is not in a quorate part of the cluster; missing: gate-3';
  await on({}, async (page, sim) => {
    sim.answer = () => ({status: 409, body: {code: 'refused', detail, status: 409}});
    for (const [opener, yes] of [['[data-node="gate-2"] button', 'Standby'], ['[data-vip="api"] button', 'Move']]) {
      await page.click(opener);
      await page.click('#confirm-yes');
      await page.waitForSelector('#confirm-problem:not([hidden])');
      assert.equal(await words(page, '#confirm-problem'), detail);
      assert.equal(await words(page, '#confirm-yes'), yes);
      await page.click('#confirm-no');
    }
    assert.deepEqual(sim.posts.map((p) => p.body), [null, {}]);
  }, {expected: /409/});
});

test('who may not is told so', async () => {
  await on({}, async (page, sim) => {
    sim.answer = () => ({status: 403, body: {code: 'permission', detail: 'uid 1000 (eva) is not an operator', status: 403}});
    await page.click('[data-node="gate-2"] button:has-text("Standby")');
    await page.click('#confirm-yes');
    await page.waitForSelector('#confirm-problem:not([hidden])');
    assert.equal(await words(page, '#confirm-problem'), 'Not allowed: uid 1000 (eva) is not an operator');
    assert.ok(await page.locator('#confirm-yes').isDisabled());
    assert.match(await words(page, '.toast.bad'), /Not allowed/);
  }, {expected: /403/});
});

test('a move offers the nodes that can, and says why others cannot', async () => {
  const status = changed((s) => { s.cluster.nodes[2].online = false; s.vips[0].eligible['gate-2'] = {ok: true, reason: ''}; });
  await on({status}, async (page, sim) => {
    await page.click('[data-vip="api"] button');
    assert.match(await words(page, '#confirm-options'), /whichever node can\s+gate-2\s+gate-3 – cannot: offline/);
    assert.ok(await page.locator('input[value="gate-3"]').isDisabled());
    await page.check('input[value="gate-2"]');
    await page.click('#confirm-yes');
    await page.waitForSelector('.toast.ok');
    assert.deepEqual(sim.posts, [{path: '/api/v1/vips/api/move', body: {to: 'gate-2'}}]);
  });
});

test('names from the network are text, whatever they look like', async () => {
  const evil = '<img src=x onerror="globalThis.hurt=1"><script>globalThis.hurt=1</script>';
  const status = changed((s) => {
    server(s, 1).name = evil;
    server(s, 1).check.detail = evil;
    s.pools[0].name = s.listeners[0].pool = evil;
    s.cluster.nodes[1].name = evil;
    s.vips[0].waits_for = evil;
    s.listeners[0].problem = evil;
  });
  await on({status}, async (page, sim) => {
    sim.event('SERVER_DOWN', 'warning', {pool: evil, server: evil, reason: evil});
    sim.event('SOMETHING_NEW', 'error', {[evil]: evil});
    await until(page, () => document.querySelectorAll('.event').length === 2);
    assert.equal(await page.locator('main img, main script').count(), 0);
    assert.equal(await page.evaluate(() => globalThis.hurt), undefined);
    await page.locator('tr[data-server] button').first().click();
    await page.click('#confirm-yes');
    await page.waitForSelector('.toast.ok');
    assert.equal(sim.posts[0].path, `/api/v1/servers/${encodeURIComponent(evil)}/${encodeURIComponent(evil)}/state`);
  });
});

test('hours of frames leave memory and page as they are', async () => {
  await on({}, async (page, sim) => {
    sim.ticking = false;
    const fill = (rounds) => page.evaluate(async ([status, n]) => {
      const base = JSON.parse(status);
      for (let i = 0; i < n; ++i) {
        const s = structuredClone(base);
        s.uptime_s += i + 1 + (globalThis.told = (globalThis.told ?? 0) + n);
        s.vips[0].holder = `gate-${1 + (i % 3)}`;
        s.pools[0].servers.push({...s.pools[0].servers[0], name: `passing-${i % 50}`});
        globalThis.fairlead.frame({type: 'status', status: s});
        for (let e = 0; e < 4; ++e) {
          const sequence = globalThis.sequence = (globalThis.sequence ?? 0) + 1;
          const event = {sequence, time: new Date().toISOString(), id: 'VIP_ACQUIRED', level: 'notice', fields: {vip: 'api'}};
          globalThis.fairlead.frame({type: 'event', event});
        }
        if (i % 100 === 0) await new Promise(requestAnimationFrame);
      }
      await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
      return globalThis.fairlead.sizes();
    }, [JSON.stringify(healthyStatus()), rounds]);
    const first = await fill(1000);
    const second = await fill(3000);
    assert.equal(second.events, 500);
    assert.ok(second.samples <= 300, JSON.stringify(second));
    assert.ok(second.servers <= 4 && second.rates <= 3 * (1 + 1 + 4), JSON.stringify(second));
    assert.ok(second.elements <= first.elements + 40, `${first.elements} elements, then ${second.elements}`);
    assert.ok(second.elements < 7000, `${second.elements} elements`);
  });
});

test('a lost connection is said, counted down and mended; nothing is shown twice', async () => {
  await on({}, async (page, sim) => {
    for (let i = 0; i < 5; ++i) sim.event('SERVER_UP', 'notice', {pool: 'masters', server: `m${i}`});
    await until(page, () => document.querySelectorAll('.event').length === 5);
    sim.refusing = true;
    sim.drop();
    await until(page, () => /^reconnecting in \d+ s$/.test(document.getElementById('link').innerText.trim()));
    assert.match(await words(page, '#stale'), /connection to the node is lost.*What is shown is of \d\d:\d\d:\d\d/);
    await picture(page, 'sim-reconnecting');
    down(server(sim.status, 2));
    settle(sim.status);
    sim.event('SERVER_DOWN', 'warning', {pool: 'masters', server: 'mast-2', reason: 'refused'});
    sim.refusing = false;
    await until(page, () => document.getElementById('link').innerText.trim() === 'live');
    await until(page, () => document.querySelector('[data-server="masters/mast-2"]').dataset.state === 'down');
    await until(page, () => document.querySelectorAll('.event').length === 6);
    assert.ok(await page.locator('#stale').isHidden());
  }, {expected: /WebSocket/});
});

test('silence on an open connection is said as well', async () => {
  await on({}, async (page, sim) => {
    sim.silent = true;
    await until(page, () => /^stale since \d\d:\d\d:\d\d$/.test(document.getElementById('link').innerText.trim()));
    sim.silent = false;
    await until(page, () => document.getElementById('link').innerText.trim() === 'live');
  });
});

test('a node whose report stands still is not taken for a healthy one', async () => {
  await on({}, async (page, sim) => {
    sim.ticking = false;
    const repeat = setInterval(() => sim.tell(), 500);
    try {
      await until(page, () => document.getElementById('headline').innerText.includes('no longer refreshes its report'));
    } finally {
      clearInterval(repeat);
    }
  });
});

const many = (count, levelOf = () => 'notice', since = Date.now() - count * 1000) => Array.from({length: count}, (_, i) => {
  const time = new Date(since + i * 1000).toISOString();
  return {sequence: i + 1, time, id: 'SERVER_UP', level: levelOf(i), fields: {pool: 'masters', server: `m${i}`}};
});
const rows = (page) => page.$$eval('.event', (list) => list.map((row) => Number(row.dataset.sequence)));
const reconnected = async (page, sim) => {
  sim.drop();
  await until(page, () => document.getElementById('link').innerText.trim() !== 'live');
  await until(page, () => document.getElementById('link').innerText.trim() === 'live');
};

test('a full ring, a filter and a reconnect: every row once, the newest first', async () => {
  await on({events: many(1024, (i) => (i % 50 === 0 ? 'warning' : 'notice'))}, async (page, sim) => {
    await until(page, () => document.getElementById('events-count').innerText.includes('of 500'));
    await page.selectOption('#events-level', 'warning');
    const before = await rows(page);
    assert.deepEqual(before, [1001, 951, 901, 851, 801, 751, 701, 651, 601, 551]);
    await page.evaluate(() => { for (const row of document.querySelectorAll('.event')) row.dataset.same = 'yes'; });
    await reconnected(page, sim);
    sim.event('SERVER_DOWN', 'warning', {pool: 'masters', server: 'after', reason: 'refused'});
    await until(page, () => document.querySelector('.event[data-sequence="1025"]'));
    assert.deepEqual(await rows(page), [1025, ...before]);
    assert.equal(await page.locator('.event[data-same]').count(), 10, 'what was shown was left alone');
    assert.equal(await words(page, '#events-count'), '11 of 500');
    for (const event of many(100, () => 'notice', Date.now() + 1000)) sim.event(event.id, event.level, event.fields, event.time);
    await until(page, () => document.querySelectorAll('.event').length === 9);   // 551 and 601 are no longer among the newest 500.
    assert.deepEqual((await rows(page)).slice(-1), [651]);
  }, {expected: /WebSocket/});
});

test('events missed while nobody listened are counted; a daemon started anew begins its own numbers', async () => {
  await on({events: many(10)}, async (page, sim) => {
    await until(page, () => document.querySelectorAll('.event').length === 10);
    sim.events = many(1040, () => 'notice', Date.now()).slice(-1024);   // 16 of them left the ring; the first 10 were seen here.
    await reconnected(page, sim);
    await until(page, () => document.getElementById('events-count').innerText.includes('6 missed'));
    sim.status.pid += 1;
    sim.status.uptime_s += 60;   // This page slept for longer than the daemon lives; and its clock was put back.
    sim.events = many(3, () => 'notice', Date.now() - 3600e3);
    await reconnected(page, sim);
    await until(page, () => document.querySelector('.event').dataset.sequence === '3');
    assert.deepEqual((await rows(page)).slice(0, 4), [3, 2, 1, 1040]);
    assert.match(await words(page, '#events-count'), /^500 of 500 · 6 missed$/);
  }, {expected: /WebSocket/});
});

test('the first holder a daemon saw is no change: since before then', async () => {
  const seen = {at: new Date(Date.now() - 60e3).toISOString(), holder: 'gate-1', first_seen: true};
  await on({status: changed((s) => { s.vips[0].history = [seen]; })}, async (page, sim) => {
    assert.match(await words(page, '[data-vip="api"] .right'), /since before \d\d:\d\d:\d\d · more than 1 min \d+ s ago/);
    assert.match(await words(page, '.history'), /^before \d\d:\d\d:\d\d\s+gate-1$/);
    assert.match(await words(page, '#facts'), /since before \d\d:\d\d:\d\d/);
    Object.assign(sim.status.vips[0], {holder: 'gate-2', held_here: false});
    const next = {at: new Date().toISOString(), first_seen: false};
    sim.status.vips[0].history = [seen, {...next, holder: null}, {...next, holder: 'gate-2'}];
    sim.tell();
    await until(page, () => document.querySelectorAll('.history li').length === 3);
    assert.match(await words(page, '[data-vip="api"] .right'), /since \d\d:\d\d:\d\d · \d s ago/);
    assert.match(await words(page, '.history'), /^\d\d:\d\d:\d\d\s+gate-2\s+\d\d:\d\d:\d\d\s+no node\s+before \d\d:\d\d:\d\d\s+gate-1$/);
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

test('another role after a reconnect: its actions come or go, and nothing listens twice', async () => {
  const first = () => {
    globalThis.listens = 0;
    const {addEventListener} = EventTarget.prototype;
    EventTarget.prototype.addEventListener = function add(...all) {
      globalThis.listens += 1;
      return addEventListener.apply(this, all);
    };
    const Observer = globalThis.ResizeObserver;
    globalThis.ResizeObserver = class extends Observer {
      constructor(...all) {
        super(...all);
        globalThis.listens += 1;
      }
    };
  };
  await on({role: 'viewer'}, async (page, sim) => {
    assert.equal(await page.locator('main button').count(), 0);
    const before = await page.evaluate(() => globalThis.listens);
    assert.ok(before > 0);
    sim.role = 'operator';
    await reconnected(page, sim);
    await until(page, () => document.querySelector('[data-node="gate-1"] button'));
    sim.role = 'viewer';
    await reconnected(page, sim);
    await until(page, () => !document.querySelector('main button'));
    assert.equal(await page.evaluate(() => globalThis.listens), before);
    assert.equal(await page.locator('[data-server]').count(), 3);
    assert.equal(await page.locator('#topology svg[role="img"]').count(), 1);
  }, {expected: /WebSocket/, first});
});

test('focus stays where it is while rows come, go and change their order', async () => {
  await on({}, async (page, sim) => {
    sim.ticking = false;
    const {servers} = sim.status.pools[0];
    const there = 'Drain: masters/mast-2';
    await page.locator(`button[title="${there}"]`).focus();
    const showing = (names) => until(page, (wanted) => {
      const shown = [...document.querySelectorAll('[data-server]')].map((row) => row.dataset.server.replace('masters/', ''));
      return shown.join() === wanted;
    }, names);
    const show = async (list) => {
      sim.status.pools[0].servers = list;
      sim.tell();
      await showing(list.map((s) => s.name).join());
      assert.match(await focused(page), /Drain: masters\/mast-2/);
    };
    await show([servers[1], servers[2]]);   // What is before it goes,
    await show([servers[2], servers[1]]);   // it changes places with its neighbour,
    await show([servers[1], servers[2]]);   // and back,
    await show([servers[0], serverLike({...servers[2], name: 'mast-4'}), servers[1], servers[2]]);   // something comes before it.
  });
});

test('focus comes back from a dialog, also when its button was replaced meanwhile', async () => {
  await on({}, async (page, sim) => {
    sim.ticking = false;
    await page.click('[data-server="masters/mast-1"] button:has-text("Drain")');
    server(sim.status, 1).state = 'drain';
    sim.tell();
    await until(page, () => document.querySelector('[data-server="masters/mast-1"]').dataset.state === 'drain');
    await page.click('#confirm-yes');
    await page.waitForSelector('#confirm', {state: 'hidden'});
    assert.match(await focused(page), /Ready: masters\/mast-1/);
  });
});

test('the simulated node cannot say what the daemon does not', () => {
  assert.throws(() => like(healthyStatus(), {cluster: {quorat: true}}), /have no cluster\.quorat/);
  assert.throws(() => vipLike({holders: []}), /have no holders/);
});

test('the filter of events works on level and text, and by keyboard', async () => {
  await on({}, async (page, sim) => {
    sim.event('SERVER_RESOLVED', 'info', {pool: 'masters', server: 'mast-1'});
    sim.event('SERVER_UP', 'notice', {pool: 'masters', server: 'mast-1'});
    sim.event('SERVER_DOWN', 'warning', {pool: 'masters', server: 'mast-2', reason: 'refused'});
    await until(page, () => document.querySelectorAll('.event').length === 2);
    await page.selectOption('#events-level', 'debug');
    assert.equal(await page.locator('.event').count(), 3);
    await page.keyboard.press('Escape');
    await page.locator('#verdict').focus();
    await page.keyboard.press('/');
    await page.keyboard.type('mast-2');
    assert.equal(await page.locator('.event').count(), 1);
    await page.keyboard.type(' nothing');
    assert.match(await words(page, '#events'), /No event matches/);
  });
});

test('the theme is kept, and less motion means none', async () => {
  const sim = await new Simulated().start();
  try {
    const page = await browser.open(sim.url, {motion: 'reduce'});
    sim.tick(1);
    sim.tick(1);
    await until(page, () => document.querySelector('.link.busy'));
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    await page.keyboard.press('t');
    await page.keyboard.press('t');
    assert.equal(await words(page, '#theme'), 'Theme: dark');
    await page.reload();
    await page.waitForSelector('body[data-shown]');
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    await browser.close(page);
  } finally {
    await sim.stop();
  }
});
