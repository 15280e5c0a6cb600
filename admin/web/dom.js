// Making and keeping elements. Text from outside only ever becomes text: nothing here parses markup.

const SVG = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'g', 'path', 'rect', 'circle', 'line', 'text', 'tspan', 'use', 'title', 'polyline']);

/** el('div.card', {title: 'x', onclick: f}, child, 'text') */
export function el(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split('.');
  const node = SVG_TAGS.has(tag) && tag !== 'title' ? document.createElementNS(SVG, tag) : document.createElement(tag);
  if (classes.length) node.setAttribute('class', classes.join(' '));
  for (const [key, value] of Object.entries(props)) set(node, key, value);
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

export function set(node, key, value) {
  if (key.startsWith('on')) {
    node[key] = value;
  } else if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(key)) node.removeAttribute(key);
  } else {
    const text = value === true ? '' : String(value);
    if (node.getAttribute(key) !== text) node.setAttribute(key, text);
  }
}

/** Writes only what differs, so that a screen reader and the selection are left alone. */
export function text(node, value) {
  const wanted = String(value ?? '');
  if (node.textContent !== wanted) node.textContent = wanted;
  return node;
}

export const byId = (id) => document.getElementById(id);

export function icon(name) {
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  const svg = el('svg.icon', {'aria-hidden': 'true', viewBox: '0 0 16 16'});
  svg.append(use);
  return svg;
}

/** A state in words with its sign: never colour alone. kind: ok warn bad hold idle info */
export function tag(kind, words, sign = {hold: 'hold', plain: 'info'}[kind] ?? kind) {
  return el(`span.tag.${kind}`, {}, icon(sign), el('span', {}, words));
}

export function setTag(node, kind, words, sign) {
  const key = `${kind}|${words}|${sign ?? ''}`;
  if (node.dataset.tag === key) return;
  node.dataset.tag = key;
  node.className = `tag ${kind}`;
  node.replaceChildren(icon(sign ?? ({hold: 'hold', plain: 'info'}[kind] ?? kind)), el('span', {}, words));
}

/**
 * Makes the children of `parent` those of `items`, in order: known ones (by key) are kept and updated, so focus and hover stay.
 * make(item) -> element; update(element, item)
 */
export function keyed(parent, items, keyOf, make, update) {
  const known = parent.keyedChildren ?? (parent.keyedChildren = new Map());
  const wanted = new Set(items.map(keyOf));
  for (const [key, node] of known) {   // First of all: else what follows a gap would have to move.
    if (wanted.has(key)) continue;
    known.delete(key);
    node.remove();
  }
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = known.get(key);
    if (!node) {
      node = make(item);
      known.set(key, node);
    }
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
    update(node, item);
  }
  // What moves in the document loses its focus.
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({preventScroll: true});
}
