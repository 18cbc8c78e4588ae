// Where the time of requests went: bars by component, stacks over time.

const partTexts = new Map([['look_up', 'look-up in the IOMMU'], ['wait', 'wait for a walker'], ['walk', 'page walk'],
  ['device_look_up', 'look-up in the own TLB'], ['translation', 'translation request'], ['page', 'wait for a page']]);
const partText = (name) => partTexts.get(name) ?? name.replaceAll('_', ' ');

// entries: [[name, [ps, count]]]; `measure` makes of each what the bar shows.
function stackBar(entries, names, largest) {
  const bar = element('div', {class: 'stack', role: 'img', 'aria-label': entries.map(([name, [time]]) =>
    `${partText(name)} ${formatTime(time)}`).join(', ')});
  const total = entries.reduce((sum, [, [time]]) => sum + time, 0);
  for (const [name, [time, count]] of entries) {
    const piece = element('span');
    const paint = () => { piece.style.background = seriesColour(names.indexOf(name)); };
    redraws.add(paint);
    paint();
    piece.style.width = `${100 * time / Math.max(1, total)}%`;
    const text = `${partText(name)}: ${formatTime(time)}, ${formatRatio(time / Math.max(1, total), 3)}\n` +
      `${formatCount(count)} times, ${formatTime(time / Math.max(1, count))} each`;
    piece.addEventListener('pointermove', (event) => tip.show(text, event.clientX, event.clientY));
    piece.addEventListener('pointerleave', () => tip.hide());
    bar.append(piece);
  }
  bar.style.width = `${100 * Math.max(0.004, total / Math.max(1, largest))}%`;
  return bar;
}

function partKey(names) {
  return element('ul', {class: 'key'}, names.map((name, i) => {
    const swatch = element('span', {class: 'swatch'});
    const paint = () => { swatch.style.background = seriesColour(i); };
    redraws.add(paint);
    paint();
    return element('li', {}, swatch, partText(name));
  }));
}

// rows: [{name, entries}]. Bars are as long as what they add up to, or all alike.
function barFigure(title, caption, rows, countOf) {
  const names = [...new Set(rows.flatMap((row) => row.entries.map(([name]) => name)))];
  const total = (row) => row.entries.reduce((sum, [, [time]]) => sum + time, 0);
  const grid = element('div', {class: 'stacks'});
  const measures = {
    total: {largest: () => Math.max(...rows.map(total)), text: (row) => formatTime(total(row))},
    share: {largest: total, text: (row) => formatTime(total(row))},
    each: {largest: (row) => countOf(row) * Math.max(...rows.map((one) => total(one) / countOf(one))),
      text: (row) => `${formatTime(total(row) / countOf(row))} each`},
  };
  const draw = (measure) => grid.replaceChildren(...rows.flatMap((row) => [element('span', {}, row.name),
    stackBar(row.entries, names, measures[measure].largest(row)), element('span', {}, measures[measure].text(row))]));
  draw('total');
  return element('figure', {}, element('div', {class: 'figurehead'}, element('h3', {}, title),
    element('div', {class: 'bar'}, choice('Bars show', [['total', 'all time'], ['share', 'shares'], ['each', 'time per request']], 'total', draw))),
    partKey(names), grid, element('figcaption', {}, caption));
}

// How many requests of a device were answered; 0 of what is no device.
const answersOf = (row) => Object.values(row.answers ?? {}).reduce((sum, [, count]) => sum + count, 0);

function breakdownSection(timeline, view) {
  const {rows, stacks} = timeline.breakdown;
  if (!rows.length) return;
  const made = section('time', 'Where the time went');
  const wholes = [...new Set(rows.filter((row) => row.of).map((row) => row.of))];
  const titles = new Map([
    ['miss', ['Misses, in each IOMMU', 'From its arrival at the IOMMU to its answer, the life of each request that missed.']],
    ["function's request", ['Requests, in each function', 'From issue to end, the life of each request of a function with a translation cache.']]]);
  for (const whole of wholes) {
    const [title, note] = titles.get(whole) ?? [`Parts of each ${whole}`, ''];
    const parts = rows.filter((row) => row.of === whole).map((row) => ({name: row.name, entries: Object.entries(row.parts),
      count: answersOf(row) || Math.max(...Object.values(row.parts).map(([, count]) => count))}));
    made.append(barFigure(title, `${note} Parts follow one another and add up to all of it.`, parts, (row) => row.count));
    const stack = stacks.find((one) => one.of === whole);
    if (stack) {
      made.append(stackFigure(`${title}, over time`, 'How many requests were in each part at a time. It zooms with the timeline.',
        stack.layers.map((layer) => readLane({...layer, name: partText(layer.name)}, timeline)), view));
    }
  }
  const answered = rows.filter((row) => row.answers).map((row) => ({name: row.name, entries: Object.entries(row.answers),
    count: answersOf(row)}));
  if (answered.length) {
    made.append(barFigure('Requests of each device, by outcome', 'The time from issue to answer of all requests, by what the answer was.',
      answered, (row) => row.count));
  }
}
