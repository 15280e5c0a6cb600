// Debian's Chromium driven by playwright-core, and what every page is watched for: console errors, exceptions, violations of the content
// policy.
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';

const MODULES = process.env.FL_BROWSER_MODULES;   // A folder with node_modules (tests/browser/test_dashboard.py makes it).
export const PICTURES = process.env.FL_PICTURES;
const require = createRequire(join(MODULES, 'package.json'));
const {chromium} = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const SCALE = Number(process.env.FL_TIME_SCALE ?? 1);

export class Browser {
  async start() {
    const args = ['--no-sandbox', '--disable-gpu', '--no-proxy-server'];
    this.browser = await chromium.launch({executablePath: process.env.FL_CHROMIUM, args});
    return this;
  }

  stop() { return this.browser.close(); }

  /** A page of its own profile. `expected`: console errors a test provokes. `first`: run in the page before anything of it. */
  async open(url, {width = 1280, height = 900, scheme = 'light', motion = 'no-preference', expected = null, first = null} = {}) {
    const context = await this.browser.newContext({viewport: {width, height}, colorScheme: scheme, reducedMotion: motion});
    const page = await context.newPage();
    page.setDefaultTimeout(10000 * SCALE);
    page.complaints = [];
    page.on('console', (message) => {
      if (message.type() === 'error' && !expected?.test(message.text())) page.complaints.push(message.text());
    });
    page.on('pageerror', (error) => page.complaints.push(error.stack));
    await page.addInitScript(() => {
      globalThis.violations = [];
      const note = (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
      addEventListener('securitypolicyviolation', note, true);
    });
    if (first) await page.addInitScript(first);
    await page.goto(url);
    await page.waitForSelector('body[data-shown]');
    return page;
  }

  /** Closes it; whatever it complained of fails the test. */
  async close(page) {
    const violations = await page.evaluate(() => globalThis.violations);
    await page.context().close();
    assert.deepEqual(violations, [], 'violations of the content policy');
    assert.deepEqual(page.complaints, [], 'console errors and exceptions');
  }
}

export async function picture(page, name, fullPage = false) {
  mkdirSync(PICTURES, {recursive: true});
  await page.screenshot({path: join(PICTURES, `${name}.png`), fullPage});
}

/** axe-core's rules of WCAG 2 A and AA, contrast among them. */
export async function accessible(page, what) {
  await page.evaluate(axe);
  const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'];
  const found = await page.evaluate((runOnly) => globalThis.axe.run(document, {runOnly}), rules);
  const said = (n) => `${n.target.join(' ')} ${n.any.map((a) => a.message).join('; ')}`;
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map(said).slice(0, 3).join(' | ')}`), [], what);
}

export async function noSidewaysScroll(page, what) {
  const {wide, has} = await page.evaluate(() => ({wide: document.documentElement.scrollWidth, has: innerWidth}));
  assert.ok(wide <= has, `${what}: the page is ${wide} wide in a window of ${has}`);
}

/** Nothing of a card stands over its edge. */
export async function withinCards(page, what) {
  const wide = await page.$$eval('.card', (cards) => cards.filter((c) => c.scrollWidth > c.clientWidth)
    .map((c) => `${c.innerText.slice(0, 20)} is ${c.scrollWidth} wide in ${c.clientWidth}`));
  assert.deepEqual(wide, [], what);
}

/** What is focused, in words. */
export const focused = (page) => page.evaluate(() => {
  const e = document.activeElement;
  return `${e.tagName.toLowerCase()}${e.id ? `#${e.id}` : ''} ${(e.getAttribute('title') ?? e.textContent ?? '').trim().slice(0, 60)}`;
});

export const words = (page, selector) => page.locator(selector).innerText();
export const until = (page, condition, argument) => page.waitForFunction(condition, argument, {polling: 50});
