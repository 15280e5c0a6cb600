// The drills: what is promised with this site's times, and how each went last (GET /api/v1/drills).
import {byId, el, keyed, setTag, text} from './dom.js';
import {clock, ms} from './format.js';
import {cells, table} from './tables.js';

const PLACES = {cluster: 'on the running cluster', lab: 'in the lab', later: 'not in this version'};
const COLUMNS = [['name', 'Drill', 'head'], ['where', 'Where'], ['bound', 'Promised outage', 'number'], ['last', 'Last run']];

export class Drills {
  constructor(store) {
    this.store = store;
    const list = el('div.drill-list', {tabindex: 0, role: 'region', 'aria-label': 'Drills, those that were run first'});
    this.body = table(list, 'Drills', COLUMNS);
    this.problem = el('p.muted', {hidden: true});
    byId('drills').append(this.problem, list);
    this.loading = false;
    this.again = false;
  }

  /** Asked while an answer is under way: once more afterwards, since that answer may be of before. */
  async load() {
    this.again = true;
    if (this.loading) return;
    this.loading = true;
    while (this.again) {
      this.again = false;
      const {drills, problem} = await fetchDrills();
      if (drills) this.store.drills = drills;
      text(this.problem, problem);
      this.problem.hidden = !problem;
    }
    this.loading = false;
    this.show();
  }

  show() {
    keyed(this.body, inOrder(this.store.drills), (d) => d.name, () => {
      const row = el('tr');
      const c = cells(row, COLUMNS);
      c.name.append(el('span.strong'), el('span.sub'));
      c.bound.append(el('span'), el('span.sub'));
      c.last.append(el('span.tag'), el('span.sub'), el('span.sub'));
      return row;
    }, (row, d) => {
      row.dataset.drill = d.name;
      text(row.parts.name.firstElementChild, d.name);
      text(row.parts.name.lastElementChild, d.what);
      text(row.parts.where, PLACES[d.place] ?? d.place);
      text(row.parts.bound.firstElementChild, d.bound_ms === null ? (d.promise ? '' : '–') : promised(d.bound_ms));
      text(row.parts.bound.lastElementChild, d.bound_ms === 0 ? '' : d.promise);
      showLast(row.parts.last, d.last);
    });
  }
}

const promised = (bound) => (bound === 0 ? 'none' : `≤ ${ms(bound)}`);

/** Those that were run first, the newest on top; the others in the order of the node's list. */
function inOrder(drills) {
  const run = drills.filter((d) => d.last).sort((a, b) => Date.parse(b.last.at) - Date.parse(a.last.at));
  return [...run, ...drills.filter((d) => !d.last)];
}

function showLast(cell, last) {
  const [tag, facts, problem] = cell.children;
  tag.hidden = !last;
  if (last) setTag(tag, last.passed ? 'ok' : 'bad', last.passed ? 'passed' : 'failed');
  text(facts, last ? factsOf(last) : 'never told here');
  text(problem, last?.problem);
}

function factsOf(last) {
  const bound = last.bound_ms === null ? '' : `, promised ${promised(last.bound_ms)}`;
  return [`outage ${ms(last.outage_ms)}${bound}`, last.vip && `VIP ${last.vip}`, clock(last.at)].filter(Boolean).join(' · ');
}

/** {drills} or {problem: in words}. What was loaded before stays on the page; the next reconnect asks again. */
async function fetchDrills() {
  try {
    const answer = await fetch('/api/v1/drills');
    if (answer.ok) return {drills: (await answer.json()).drills, problem: ''};
    return {problem: `The node did not give its list of drills (HTTP status ${answer.status}); what stands here may be old.`};
  } catch (failed) {
    return {problem: `The node did not give its list of drills (${failed.message}); what stands here may be old.`};
  }
}
