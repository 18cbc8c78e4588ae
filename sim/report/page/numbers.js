// Numbers as people read them.

const timeUnits = [[1e12, 's'], [1e9, 'ms'], [1e6, 'us'], [1e3, 'ns'], [1, 'ps']];
const rateUnits = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'K'], [1, '']];
const byteUnits = [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB'], [1, 'B']];

function significant(value, digits = 4) {
  if (value === 0) return '0';
  if (Math.abs(value) >= 1e15 || Math.abs(value) < 1e-6) return value.toExponential(digits - 1);
  return String(Number(value.toPrecision(digits)));
}

function scaled(value, units, digits) {
  const [factor, unit] = units.find(([size]) => Math.abs(value) >= size) ?? units.at(-1);
  return `${significant(value / factor, digits)} ${unit}`;
}

const formatTime = (ps, digits = 4) => ps === 0 ? '0' : scaled(ps, timeUnits, digits);

// Never less than the whole number, with its thousands apart: "1,159" as well as "1,570".
function formatCount(value, digits = 6) {
  const whole = Math.abs(value);
  if (value === 0) return '0';
  if (Number.isInteger(value)) return value.toLocaleString('en-US');
  if (whole < 1 || whole >= 1e15) return significant(value, digits);
  const before = String(Math.trunc(whole)).length;
  return value.toLocaleString('en-US', {maximumSignificantDigits: Math.max(digits, before)});
}

// What is less than all of it does not read "100 %".
function formatRatio(value, digits) {
  let text = significant(100 * value, digits);
  while (value < 1 && text === '100' && digits < 17) text = significant(100 * value, ++digits);
  return `${text} %`;
}

function formatRate(value, unit, digits) {
  if (value === 0) return '0';
  const [factor, prefix] = rateUnits.find(([size]) => Math.abs(value) >= size) ?? [1, ''];
  return `${significant(value / factor, digits)} ${prefix}${unit}`;
}

const counted = (count, noun) => `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;

// The fewest digits, of at least `least`, that tell values apart. They are means, which have eight at most.
function digitsApart(values, format, least) {
  const different = [...new Set(values)].filter((value) => value !== null);
  let digits = least;
  while (digits < 8 && new Set(different.map((value) => format(value, digits))).size < different.length) ++digits;
  return digits;
}

// Of the units that databases have.
function formatValue(value, unit, digits = 4) {
  if (value === null || value === undefined) return '-';
  if (typeof value === 'string') return value;
  switch (unit) {
    case 'ps': return formatTime(value, digits);
    case 'ratio': return formatRatio(value, digits);
    case 'bytes': return value === 0 ? '0' : scaled(value, byteUnits, digits);
    case '/s': return formatRate(value, '/s', digits);
    case 'bit/s': return formatRate(value, 'b/s', digits);
    default: return formatCount(value, digits);
  }
}

// By how they are written: what they are times, and the units, as of databases, that they are written for.
const writtenUnits = new Map([
  ...timeUnits.map(([factor, name]) => [name, {factor, of: ['ps']}]),
  ...['\u00b5s', '\u03bcs'].map((name) => [name, {factor: 1e6, of: ['ps']}]),  // the micro sign, and the Greek letter
  ...byteUnits.map(([factor, name]) => [name, {factor, of: ['bytes']}]),
  ['%', {factor: 0.01, of: ['ratio', 'number']}],
  ...rateUnits.flatMap(([factor, prefix]) => [
    [`${prefix}/s`, {factor, of: ['/s']}], [`${prefix}bit/s`, {factor, of: ['bit/s']}], [`${prefix}b/s`, {factor, of: ['bit/s']}],
    ...(prefix ? [[`${prefix}B`, {factor, of: ['bytes']}]] : []), [`${prefix}B/s`, {factor: 8 * factor, of: ['bit/s']}],
    [prefix, {factor, of: prefix ? ['count', 'number', '/s', 'bit/s'] : null}]]),
]);

// What a person wrote: "5", "5 us", "80 %", "4 KiB", "1.2 M/s", "30 Gbit/s". {number, of}: `of` has the units that it can be
// compared with, null: any. null when it is no number.
function readQuantity(text) {
  const match = /^\s*(-?[\d.,]+(?:e[-+]?\d+)?)\s*([a-zA-Z%/\u00b5\u03bc]*)\s*$/.exec(text);
  const unit = match && writtenUnits.get(match[2]);
  if (!unit) return null;
  if (match[1].includes(',') && !/^-?\d{1,3}(,\d{3})+(?!\d)[^,]*$/.test(match[1])) return null;  // "1,5" is no 15
  const number = Number(match[1].replaceAll(',', ''));
  return Number.isNaN(number) ? null : {number: number * unit.factor, of: unit.of};
}

// Bounds in columns whose numbers are shown with a unit; in others a bound has none.
const boundsWithUnit = new Map([['ps', ['5 us', '9 us']], ['bytes', ['5 KiB', '9 KiB']], ['ratio', ['5 %', '9 %']],
  ['/s', ['5 M/s', '9 M/s']], ['bit/s', ['5 Gb/s', '9 Gb/s']]]);

// As a filter's bound in a column of this unit; null when it is none. Without a unit, only 0 is the same in all.
function readNumber(text, unit) {
  const quantity = readQuantity(text);
  if (!quantity) return null;
  return (quantity.of ? quantity.of.includes(unit) : quantity.number === 0 || !boundsWithUnit.has(unit)) ? quantity.number : null;
}

// The unit of numbers that are written like this one: 'number' where none is written.
const unitOf = (text) => readQuantity(text)?.of?.[0] ?? 'number';
