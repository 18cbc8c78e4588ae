// Tables that can be sorted by any column, and filtered by words or by bounds of a column.

const rowsAtOnce = 15;

// Of "> 5 us", "50 % .. 90 %", "<= 3" or words that the cell must show: {passes}, null: everything does. {unclear: true}: a bound
// that is not whole yet, or whose ends are the wrong way round, or whose unit is not that of the column's numbers, or that lacks it.
function cellFilter(text, unit) {
  text = text.trim();
  if (!text) return {passes: null};
  const word = text.toLowerCase();
  const holdsWord = {passes: (value, shown) => shown().toLowerCase().includes(word)};
  if (unit === 'text') return holdsWord;
  const [, from, to] = /^(.*?)\.\.(.*)$/.exec(text) ?? [];
  if (from !== undefined) {
    const [low, high] = [readNumber(from, unit), readNumber(to, unit)];
    if (low === null || high === null || low > high) return {passes: null, unclear: true};
    return {passes: (value) => typeof value === 'number' && beside(value, low) >= 0 && beside(value, high) <= 0};
  }
  const [, sign, written] = /^(<=|>=|!=|<|>|=)(.*)$/.exec(text) ?? [];
  if (!sign) return holdsWord;
  const number = readNumber(written, unit);
  if (number === null) return {passes: null, unclear: true};
  const wanted = {'<': [-1], '>': [1], '<=': [-1, 0], '>=': [0, 1], '=': [0], '!=': [-1, 1]}[sign];
  return {passes: (value) => typeof value === 'number' && wanted.includes(beside(value, number))};
}

// A bound has been through a unit, and so has been rounded: 57 % is 0.57 or its neighbour.
function beside(value, bound) {
  const apart = value - bound;
  return Math.abs(apart) <= 1e-12 * Math.abs(bound) ? 0 : Math.sign(apart);
}

function compareCells(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;  // what has no value is last, either way
  if (b === null || b === undefined) return -1;
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', {numeric: true});
}

// columns: [{name, unit, bounds, long, control, text(value, row), show(value, row)}]: `bounds` is the unit of what cells show, where that is
// not `unit`; `text` what they show, where that is not the value in its unit; `show` an element in the place of the text; `control`: it is one to be used, and nothing to be saved. rows:
// arrays of as many values. options: caption, filters (a field in each column), only(row number): whether it is wanted at all,
// changed(numbers of rows that pass), limit: rows until more are asked for, name: of a CSV file.
function dataTable(columns, rows, options = {}) {
  const shownText = (c, number) => columns[c].text?.(rows[number][c], number) ?? formatValue(rows[number][c], columns[c].unit);
  const boundsOf = ({bounds, unit}) => bounds ?? unit;
  const isText = (c) => columns[c].unit === 'text';
  const state = {sort: options.sort ?? null, down: options.down ?? false, limit: options.limit ?? rowsAtOnce, filters: [], word: ''};
  const body = element('tbody');
  const status = element('span', {class: 'note', role: 'status'});
  const left = element('p', {class: 'note paper'});
  const more = element('button', {class: 'more', onclick: () => { state.limit = Math.max(state.limit * 4, 100); draw(); }}, 'Show more rows');

  const heads = columns.map((column, c) => element('th', {scope: 'col', class: isText(c) && 'text'},
    element('button', {title: 'Sort by this column', onclick: () => {
      state.down = state.sort === c ? !state.down : !isText(c);
      state.sort = c;
      draw();
    }}, ...breakable(column.name))));
  const filterRow = options.filters && element('tr', {class: 'filters'}, columns.map((column, c) => {
    const bound = boundsWithUnit.get(boundsOf(column));
    const [low, high] = bound ?? ['5', '9'];
    const help = isText(c) ? 'a word' : `a bound, such as "> ${low}" or "${low} .. ${high}", or a word`;
    const example = isText(c) ? 'a word' : bound ? `> ${low}` : '> 5, 1 .. 9';
    return element('th', {}, element('input', {'aria-label': `Filter ${column.name}`, placeholder: example, title: help, oninput: ({target}) => {
      const {passes, unclear} = cellFilter(target.value, boundsOf(column));
      state.filters[c] = passes;
      target.setAttribute('aria-invalid', Boolean(unclear));
      target.title = `${unclear ? 'Not used: expected ' : ''}${help}`;
      draw();
    }}));
  }));

  const passes = (row, number) => (!options.only || options.only(number)) &&
    state.filters.every((filter, c) => !filter || filter(row[c], () => shownText(c, number))) &&
    (!state.word || row.some((value, c) => shownText(c, number).toLowerCase().includes(state.word)));

  function wanted() {
    const numbers = rows.map((row, number) => number).filter((number) => passes(rows[number], number));
    if (state.sort === null) return numbers;
    const order = (a, b) => {
      const [left, right] = [rows[a][state.sort], rows[b][state.sort]];
      const empty = left === null || right === null || left === undefined || right === undefined;
      return compareCells(left, right) * (state.down && !empty ? -1 : 1) || a - b;
    };
    return numbers.sort(order);
  }

  function draw() {
    const numbers = wanted();
    const shown = numbers.slice(0, state.limit);
    body.replaceChildren();
    for (const number of shown) body.append(element('tr', {'data-row': number}, rows[number].map((value, c) =>
      element('td', {class: [isText(c) && 'text', (columns[c].long || (isText(c) && String(shownText(c, number)).length > 40)) && 'long']
        .filter(Boolean).join(' ') || null},
        columns[c].show?.(value, number) ?? (isText(c) ? breakable(shownText(c, number)) : shownText(c, number))))));
    heads.forEach((head, c) => head.setAttribute('aria-sort',
      c !== state.sort ? 'none' : state.down ? 'descending' : 'ascending'));
    status.textContent = numbers.length === rows.length ? counted(rows.length, 'row')
      : `${formatCount(numbers.length)} of ${counted(rows.length, 'row')}`;
    more.textContent = `Show more of ${counted(numbers.length, 'row')}`;
    more.hidden = shown.length === numbers.length;
    leftOut(left, shown.length, rows.length, 'row');
    options.changed?.(numbers);
  }

  const quoted = (value) => /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  const saved = columns.map((column, c) => c).filter((c) => !columns[c].control);
  const headOf = (column) => `${column.name}${['ps', 'bytes'].includes(boundsOf(column)) ? ` (${boundsOf(column)})` : ''}`;
  const csv = () => [saved.map((c) => headOf(columns[c])), ...wanted().map((number) => saved.map((c) => String(rows[number][c] ?? '')))]
    .map((line) => line.map(quoted).join(',')).join('\n');

  const bar = element('div', {class: 'bar'},
    rows.length > 8 || options.filters ? element('input', {type: 'search', placeholder: 'Filter rows', 'aria-label': 'Filter rows',
      oninput: (event) => { state.word = event.target.value.trim().toLowerCase(); draw(); }}) : null,
    status,
    options.name ? element('button', {title: 'Save these rows', onclick: () => download(`${options.name}.csv`, `${csv()}\n`, 'text/csv')},
      'CSV') : null);
  const whole = element('div', {class: 'table'}, bar, element('div', {class: 'scroll'}, element('table', {},
    options.caption ? element('caption', {}, options.caption) : null,
    element('thead', {}, element('tr', {}, heads), filterRow || null), body)), left, more);
  draw();
  return {element: whole, redraw: draw};
}
