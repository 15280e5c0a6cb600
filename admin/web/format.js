// Values in words. Pure.

const WHOLE = new Intl.NumberFormat('en', {maximumFractionDigits: 0});

export function count(n) {
  if (!Number.isFinite(n)) return '–';
  if (n < 100000) return WHOLE.format(n);
  if (n < 1e6) return `${(n / 1e3).toFixed(0)} k`;
  if (n < 1e9) return `${(n / 1e6).toFixed(n < 1e7 ? 2 : 1)} M`;
  return `${(n / 1e9).toFixed(2)} G`;
}

export function rate(n) {
  if (!Number.isFinite(n)) return '–';
  if (n === 0) return '0';
  if (n < 0.095) return '<0.1';
  if (n < 100) return n.toFixed(1);
  return count(n);
}

export function bytes(n) {
  if (!Number.isFinite(n)) return '–';
  const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
  let at = 0;
  while (n >= 999.5 && at < units.length - 1) {
    n /= 1000;
    ++at;
  }
  return `${at === 0 ? Math.round(n) : n < 10 ? n.toFixed(1) : n.toFixed(0)} ${units[at]}`;
}

export function ms(n) {
  if (!Number.isFinite(n)) return '–';
  if (n === 0) return '0 ms';
  return n < 10 ? `${n.toFixed(1)} ms` : n < 1000 ? `${n.toFixed(0)} ms` : `${(n / 1000).toFixed(1)} s`;
}

/** 75 -> "1 min", 7260 -> "2 h 1 min": two units at most, whole ones. */
export function duration(s) {
  if (!Number.isFinite(s)) return '–';
  s = Math.max(0, Math.floor(s));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return m < 10 ? `${m} min ${s % 60} s` : `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 24) return `${h} h ${m % 60} min`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (n) => String(n).padStart(2, '0');

/** Local time; the day as well when it is not today. */
export function clock(when, now = Date.now()) {
  const d = new Date(when);
  if (Number.isNaN(d.getTime())) return '–';
  const time = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  const sameDay = new Date(now).toDateString() === d.toDateString();
  return sameDay ? time : `${d.getDate()} ${MONTHS[d.getMonth()]} ${time}`;
}

export const ago = (when, now = Date.now()) => `${duration((now - new Date(when).getTime()) / 1000)} ago`;

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** The two letters of HAProxy's kind that end a connection are for the log; causes are words with underscores. */
export const words = (identifier) => String(identifier).replaceAll('_', ' ');
