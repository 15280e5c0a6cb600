// The dashboard against a node that is simulated: rare states, floods, hours, hostile names, other people's rights.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {Browser, accessible, focused, noSidewaysScroll, picture, until, words} from './browser.mjs';
import {Simulated, healthyStatus} from './sim.mjs';

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
  return status;
};
const server = (status, number) => status.pools[0].servers[number - 1];
const down = (s) => Object.assign(s, {state: 'down', check: {result: 'refused', detail: 'connection refused', duration_ms: 0}, state_since_s: 12});
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
    s.cluster.nodes[1].online = s.cluster.nodes[2].online = false;
    Object.assign(s.vips[0], {holder: null, held_here: false, state: 'idle', waits_for: 'no quorum'});
  },
  'elsewhere': (s) => Object.assign(s.vips[0], {holder: 'gate-2', held_here: false, state: 'idle'}),
  'maintenance': (s) => {
    server(s, 1).state = 'maint';
    server(s, 2).state = 'drain';
    s.cluster.nodes[1].standby = true;
    s.cluster.frozen = true;
    s.config.last_reload_ok = false;
  },
  'standalone': alone,
  'nothing-configured': (s) => { alone(s); s.listeners = []; s.pools = []; },
  'large': (s) => {
    s.pools[0].servers = Array.from({length: 40}, (_, i) => ({...server(s, 1), name: `master-with-a-rather-long-name-${i + 1}`}));
    s.listeners = Array.from({length: 8}, (_, i) => ({...s.listeners[0], name: `listener-${i + 1}`, bind: ['192.168.4.20:6443', '[2001:db8:0:1:2:3:4:5]:6443']}));
  },
};
const IN_THE_DARK = ['server-down', 'no-quorum', 'maintenance'];   // Every colour there is.

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

test('the first sentence says whether clients can reach the API, and why not', async () => {
  assert.match(await verdictOf(STATES.healthy), /Clients can reach kube-api\n.*Nothing is broken/s);
  assert.match(await verdictOf(STATES['server-down']), /Clients can reach kube-api, with problems.*mast-3 is down.*connection refused.*for 1\d s/s);
  assert.match(await verdictOf(STATES['all-down']), /Clients cannot reach kube-api\n.*No server of pool masters takes connections/s);
  assert.match(await verdictOf(STATES['no-quorum']), /Clients cannot reach kube-api\n.*VIP api is held by no node.*No quorum/s);
  assert.match(await verdictOf(STATES.elsewhere), /Clients can reach kube-api\n.*through gate-2/s);
  assert.match(await verdictOf((s) => { s.vips[0].enabled = false; s.vips[0].holder = null; }), /VIP api is disabled/);
  assert.match(await verdictOf((s) => { s.listeners[0].accepting = false; s.listeners[0].problem = 'address in use'; }), /does not accept: address in use/);
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
    assert.match(await words(page, '#confirm'), /Drain server masters\/mast-1\?.*no new connections.*41 open connections.*2 other servers of the pool take the new ones/s);
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
  const refused = {status: 409, body: {code: 'refused', detail: 'it is the last server of the pool; force does it', status: 409}};
  await on({}, async (page, sim) => {
    sim.answer = (path, body) => (body.force ? null : refused);
    await page.click('[data-server="masters/mast-1"] button:has-text("Maintenance")');
    await page.click('#confirm-yes');
    await page.waitForSelector('#confirm-problem:not([hidden])');
    assert.match(await words(page, '#confirm-problem'), /last server of the pool/);
    await page.click('#confirm-yes:has-text("Maintenance anyway")');
    await page.waitForSelector('.toast.ok');
    assert.deepEqual(sim.posts.map((p) => p.body), [{state: 'maint'}, {state: 'maint', force: true}]);
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
        for (let e = 0; e < 4; ++e) globalThis.fairlead.frame({type: 'event', event: {sequence: globalThis.sequence = (globalThis.sequence ?? 0) + 1, time: new Date().toISOString(), id: 'VIP_ACQUIRED', level: 'notice', fields: {vip: 'api'}}});
        if (i % 100 === 0) await new Promise(requestAnimationFrame);
      }
      await new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); });
      return globalThis.fairlead.sizes();
    }, [JSON.stringify(healthyStatus()), rounds]);
    const first = await fill(1000);
    const second = await fill(3000);
    assert.equal(second.events, 500);
    assert.equal(second.keys, 500);
    assert.ok(second.samples <= 300 && second.holders <= 16, JSON.stringify(second));
    assert.ok(second.servers <= 4 && second.rates <= 8, JSON.stringify(second));
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

test('holders come from the node where it keeps them, else from what was seen', async () => {
  await on({}, async (page, sim) => {
    Object.assign(sim.status.vips[0], {holder: 'gate-2', held_here: false});
    sim.tell();
    await until(page, () => document.querySelectorAll('.history li').length === 2);
    assert.match(await words(page, '.history'), /gate-2\s+\d\d:\d\d:\d\d\s+gate-1 \(when this page was opened\)/);
    sim.status.vips[0].history = [{at: '2026-01-02T03:04:05Z', holder: 'gate-3'}, {at: '2026-01-02T03:04:06Z', holder: null}, {at: new Date().toISOString(), holder: 'gate-2'}];
    sim.tell();
    await until(page, () => document.querySelectorAll('.history li').length === 3);
    assert.match(await words(page, '.history'), /^.*gate-2\s.*no node\s.*gate-3/s);
  });
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
