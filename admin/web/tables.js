// Tables whose rows are made once and then written to.
import {el, text} from './dom.js';

/** Cells of a row by name. columns: [[name, label, kind]]; kind: 'head', 'number' or none. */
export function cells(row, columns) {
  row.parts = Object.fromEntries(columns.map(([name, label, kind]) => {
    const head = kind === 'head';
    const cell = el(head ? 'th' : 'td', {'data-label': label, scope: head ? 'row' : null, class: kind === 'number' ? 'number' : null});
    row.append(cell);
    return [name, cell];
  }));
  return row.parts;
}

/** An empty table of these columns at the end of `place`; returns its body. */
export function table(place, caption, columns) {
  const body = el('tbody');
  const heads = columns.map(([, label, kind]) => el('th', {scope: 'col', class: kind === 'number' ? 'number' : null}, label));
  place.append(el('table', {}, el('caption.unseen', {}, caption), el('thead', {}, el('tr', {}, ...heads)), body));
  return body;
}

/** Two values, one above the other. */
export const pair = () => [el('span.half'), el('span.half')];
export function showPair(cell, upper, lower) {
  text(cell.firstElementChild, upper);
  text(cell.lastElementChild, lower);
}
