// What operators may do here, each after a dialog that says what will happen. For viewers none of this is made at all.
import {byId, el, icon, text} from './dom.js';
import {duration, plural} from './format.js';
import {takes, usable} from './verdict.js';

const TOASTS_MAX = 4;
const OWN_STATE = 'This holds for this node; the other gateways have a state of their own.';
const TOAST_MS = 9000;

export class Actions {
  constructor(store) {
    this.store = store;
    this.dialog = byId('confirm');
    this.yes = byId('confirm-yes');
    this.no = byId('confirm-no');
    this.yes.onclick = () => this.#carryOut();
    this.dialog.onclose = () => this.#giveFocusBack();
    this.dialog.oncancel = (event) => { if (this.busy) event.preventDefault(); };
  }

  button(label, title, onclick) { return el('button.action', {type: 'button', title, onclick}, label); }

  server(pool, name, state) {
    const server = pool.servers.find((s) => s.name === name);
    const where = `${pool.name}/${name}`;
    const others = usable(pool) - (takes(pool, server) ? 1 : 0);
    const open = plural(server.connections.current, 'open connection');
    const one = server.connections.current === 1;
    const left = others > 0 ? `${plural(others, 'other server')} of the pool ${others === 1 ? 'takes' : 'take'} the new ones.`
      : 'No other server of the pool takes connections: clients would be refused.';
    const kinds = {
      drain: {
        title: `Drain server ${where}?`, yes: 'Drain',
        lines: [`It gets no new connections. Its ${open} on this node ${one ? 'goes on until it ends' : 'go on until they end'}.`, left],
      },
      maint: {
        title: `Put server ${where} into maintenance?`, yes: 'Maintenance', danger: true,
        lines: [`It gets no new connections, and its ${open} on this node ${one ? 'is' : 'are'} closed now.`, left],
      },
      ready: {title: `Make server ${where} ready?`, yes: 'Make ready', lines: ['It gets connections again as soon as its check passes.']},
    };
    const scope = this.store.status.cluster && state !== 'ready' ? [OWN_STATE] : [];
    const kind = kinds[state];
    const path = `/api/v1/servers/${encodeURIComponent(pool.name)}/${encodeURIComponent(name)}/state`;
    this.#ask({...kind, lines: [...kind.lines, ...scope], call: (force) => ({path, body: {state, ...(force && {force})}})});
  }

  node(name, standby) {
    const holds = this.store.status.vips.filter((v) => v.holder === name);
    const path = `/api/v1/nodes/${encodeURIComponent(name)}/${standby ? 'standby' : 'online'}`;
    const call = (force) => ({path, body: force ? {force} : undefined});
    if (!standby) {
      const lines = ['It may hold virtual IPs again. Whether one moves to it at once follows from the configuration (preempt).'];
      this.#ask({title: `Set node ${name} online?`, yes: 'Set online', lines, call});
      return;
    }
    const lines = [...standbyLines(this.store.status, holds), 'This stays so over restarts, until it is set online.'];
    this.#ask({title: `Put node ${name} into standby?`, yes: 'Standby', danger: holds.length > 0, lines, call});
  }

  moveVip(vip) {
    const nodes = this.store.status.cluster?.nodes ?? [];
    const choices = nodes.filter((n) => n.name !== vip.holder).map((n) => {
      const able = vip.eligible[n.name] ?? {ok: n.online && !n.standby, reason: ''};
      const why = !n.online ? 'offline' : n.standby ? 'standby' : able.reason || 'not eligible';
      const ok = able.ok && n.online && !n.standby;
      return {value: n.name, label: ok ? n.name : `${n.name} – cannot: ${why}`, disabled: !ok};
    });
    const leaves = vip.holder ? `${vip.address} leaves ${vip.holder}.` : `${vip.address} is on no node now.`;
    const path = `/api/v1/vips/${encodeURIComponent(vip.name)}/move`;
    this.#ask({
      title: `Move VIP ${vip.name}?`, yes: 'Move', danger: true, legend: 'To',
      choices: [{value: '', label: 'whichever node can'}, ...choices],
      lines: [
        `${leaves} New connections reach the new node within milliseconds; open ones are reset, and clients come back by themselves.`,
        'Once only: it does not make the new node a lasting preference.',
      ],
      call: (force, to) => ({path, body: to ? {to} : {}}),
    });
  }

  releaseLease(lease) {
    const who = lease.name ? `${lease.name} (${lease.mac})` : lease.mac;
    this.#ask({
      title: `Release the lease of ${lease.address}?`, yes: 'Release', danger: true,
      lines: [
        `${who} is not told: it uses the address until it renews, at the latest in ${duration(lease.seconds_left)}, and then asks anew.`,
        lease.reserved ? 'The address is reserved: no other machine gets it.'
          : 'Another machine may get the address at once. Do this when the one that had it is gone.',
      ],
      call: () => ({path: '/api/v1/dhcp/release', body: {address: lease.address}}),
    });
  }

  #ask(question) {
    this.question = question;
    this.opener = document.activeElement;
    this.home = this.opener.closest('[data-server], [data-vip], [data-node], [data-lease]');
    this.force = false;
    text(byId('confirm-title'), question.title);
    byId('confirm-text').replaceChildren(...question.lines.map((line) => el('p', {}, line)));
    byId('confirm-problem').hidden = true;
    byId('confirm-choice').hidden = !question.choices;
    if (question.choices) {
      text(byId('confirm-legend'), question.legend);
      byId('confirm-options').replaceChildren(...question.choices.map((c, i) => el('label.option', {},
        el('input', {type: 'radio', name: 'choice', value: c.value, checked: i === 0, disabled: c.disabled}), el('span', {}, c.label))));
    }
    text(this.yes, question.yes);
    this.yes.className = question.danger ? 'primary danger' : 'primary';
    this.#busy(false);
    this.dialog.showModal();
    this.no.focus();
  }

  async #carryOut() {
    const question = this.question;
    const {path, body} = question.call(this.force, this.dialog.querySelector('input[name=choice]:checked')?.value);
    this.#busy(true);
    const answer = await post(path, body);
    this.#busy(false);
    if (answer.ok) {
      this.dialog.close();
      toast('ok', answer.summary);
      return;
    }
    const problem = byId('confirm-problem');
    const detail = answer.force ? answer.detail.replace(/; --force .*$/, '.') : answer.detail;   // The button says it here.
    text(problem, answer.status === 403 ? `Not allowed: ${detail}` : detail);
    problem.hidden = false;
    if (answer.force && !this.force) {   // Allowed, but it would do harm.
      this.force = true;
      text(this.yes, `${question.yes} anyway`);
      this.yes.className = 'primary danger';
    } else if (answer.status === 403) {
      this.yes.disabled = true;
    }
    toast('bad', `${question.yes}: ${problem.textContent}`);
  }

  /** To where it was; when that button was replaced meanwhile, to its successor in the same row. */
  #giveFocusBack() {
    const opener = this.opener?.isConnected ? this.opener : this.home?.querySelector('.actions button');
    opener?.focus();
  }

  #busy(on) {
    this.busy = on;
    this.yes.disabled = on;
    this.no.disabled = on;
    this.dialog.setAttribute('aria-busy', String(on));
  }
}

/** What happens to the VIPs it holds: each moves, but where rules keep it until its holder is lost. */
function standbyLines(status, holds) {
  if (!holds.length) return ['It holds no virtual IP now and will take none.'];
  const names = (list) => `VIP ${list.map((v) => v.name).join(', ')}`;
  const frozen = status.cluster?.frozen;
  const stays = holds.filter((v) => frozen || v.flapping);
  const moves = holds.filter((v) => !stays.includes(v));
  const lines = [];
  const how = 'new connections within milliseconds, open ones are reset and come back';
  if (moves.length) lines.push(`${names(moves)} moves to another node: ${how}.`);
  const why = frozen ? 'the cluster is frozen' : 'moved too often in the last minute';
  if (stays.length) lines.push(`${names(stays)} stays on it for now (${why}): move it by hand.`);
  return lines;
}

/** {ok, summary} or {ok: false, status, force, detail}; force: the same call with force is carried out. */
async function post(path, body) {
  try {
    const headers = body ? {'Content-Type': 'application/json'} : {};
    const answer = await fetch(path, {method: 'POST', headers, body: body && JSON.stringify(body)});
    const said = await answer.json();
    if (answer.ok) return {ok: true, summary: said.summary};
    const detail = said.detail ?? said.title ?? `HTTP status ${answer.status}`;
    return {ok: false, status: answer.status, force: said.force === true, detail};
  } catch (failed) {
    const unknown = 'whether it was done is not known: look at the state and the events';
    return {ok: false, status: 0, force: false, detail: `no answer from the node (${failed.message}); ${unknown}`};
  }
}

/** Results stay for a while, problems until they are closed. */
export function toast(kind, words) {
  const place = byId('toasts');
  const close = el('button.quiet', {type: 'button', 'aria-label': 'Close this message', onclick: () => note.remove()}, icon('bad'));
  const note = el(`div.toast.${kind}`, {role: kind === 'ok' ? 'status' : 'alert'}, icon(kind), el('span', {}, words), close);
  place.append(note);
  while (place.children.length > TOASTS_MAX) place.firstElementChild.remove();
  if (kind === 'ok') setTimeout(() => note.remove(), TOAST_MS);
}
