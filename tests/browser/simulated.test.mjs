// The dashboard against a node that is simulated: rare states, floods, hours, hostile names, other people's rights. What it says of
// them: facts.test.mjs.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {accessible, focused, noSidewaysScroll, picture, until, withinCards, words} from './browser.mjs';
import {STATES, browser, changed, down, on, server} from './cases.mjs';
import {Simulated, healthyStatus, like, serverLike, settle, vipLike} from './sim.mjs';

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
      for (const width of [1280, 1261, 1260, 821, 820, 360]) {   // Each layout at its narrowest.
        await page.setViewportSize({width, height: 740});
        await until(page, (wanted) => innerWidth === wanted, width);
        await noSidewaysScroll(page, `${name}, ${width}`);
        await withinCards(page, `${name}, ${width}`);
      }
      if (name === 'maintenance') await accessible(page, `${name}, phone`);
      await picture(page, `sim-${name}-phone`, true);
    });
  });
}

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

test('standby says which virtual IPs will not move by it', async () => {
  await on({}, async (page, sim) => {
    const asked = async () => {
      await page.click('[data-node="gate-1"] button');
      const said = await words(page, '#confirm-text');
      await page.click('#confirm-no');
      return said;
    };
    assert.match(await asked(), /^VIP api moves to another node/);
    sim.status.vips[0].flapping = true;
    sim.tell();
    await until(page, () => /moved too often/.test(document.querySelector('[data-vip="api"]').innerText));
    assert.match(await asked(), /^VIP api stays on it for now \(moved too often in the last minute\): move it by hand\./);
    sim.status.cluster.frozen = true;
    sim.tell();
    await until(page, () => /frozen/.test(document.getElementById('quorum').innerText));
    assert.match(await asked(), /stays on it for now \(the cluster is frozen\)/);
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
    sim.life = 'decade';
    sim.status.uptime_s += 60;   // This page slept for longer than the daemon lives; and its clock was put back.
    sim.events = many(3, () => 'notice', Date.now() - 3600e3);
    await reconnected(page, sim);
    await until(page, () => document.querySelector('.event').dataset.sequence === '3');
    assert.deepEqual((await rows(page)).slice(0, 4), [3, 2, 1, 1040]);
    assert.match(await words(page, '#events-count'), /^500 of 500 · 6 missed$/);
  }, {expected: /WebSocket/});
});

test('a clock that was put back within one life of the daemon repeats no row', async () => {
  const events = [...many(5, () => 'notice', Date.now()), ...many(8, () => 'notice', Date.now() - 3600e3).slice(5)];
  await on({events}, async (page, sim) => {
    await until(page, () => document.querySelectorAll('.event').length === 8);
    await reconnected(page, sim);
    sim.event('SERVER_DOWN', 'warning', {pool: 'masters', server: 'after', reason: 'refused'});
    await until(page, () => document.querySelector('.event[data-sequence="9"]'));
    assert.deepEqual(await rows(page), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
  }, {expected: /WebSocket/});
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
