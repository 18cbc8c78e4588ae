// The timeline: rows of amounts, of marks, and stacks, all over the same window of time, which zooms.

const rowsFolded = 6;

const amount = (value) => significant(value, 4);

// Rows of amounts. Those with the highest peaks first; the rest on request.
function laneFigure(title, note, lanes, view) {
  const order = lanes.map((lane, i) => i).sort((a, b) => lanes[b].peak - lanes[a].peak || a - b);
  let count = Math.min(lanes.length, lanes.length <= rowsFolded + 1 ? lanes.length : rowsFolded);
  const shown = () => order.slice(0, count).sort((a, b) => a - b);
  const binned = lanes.some((lane) => !lane.exact);
  const say = (x, y) => {
    const lane = lanes[shown()[Math.floor((y - frameOf(0).top) / rowHeight)]];
    if (!lane || view.pointer === null) return '';
    return `${lane.name}\n${formatTime(view.pointer, view.digits() + 1)}: ${amount(levelAt(lane, view.pointer))}\n` +
      `in view: mean ${amount(meanIn(lane, view.from, view.to))}, most ${amount(mostIn(lane, view.from, view.to))}` +
      (lane.exact ? '' : ' (of means)');
  };
  const fold = lanes.length > count ? element('button', {'aria-pressed': 'false', onclick: (event) => {
    count = count === lanes.length ? rowsFolded : lanes.length;
    event.target.setAttribute('aria-pressed', String(count === lanes.length));
    made.settle();
  }}, `All ${lanes.length} rows`) : null;
  const made = timeFigure(title, `${title} ${note}.${binned ? ` Rows that change often are means over ${formatTime(view.bin)}.` : ''}`, view,
  () => frameOf(0).top + count * rowHeight + 4, (context, frame, at) => {
    shown().forEach((number, row) => {
      const top = frame.top + row * rowHeight;
      drawLane(context, lanes[number], seriesColour(number), {left: frame.left, right: frame.right, top: top + 4,
        bottom: top + rowHeight - 2}, view);
      context.fillStyle = colours.line;
      context.fillRect(frame.left, top + rowHeight - 2, frame.right - frame.left, 1);
      drawName(context, lanes[number].name, frame, top + rowHeight / 2, amount(lanes[number].peak));
    });
  }, say, fold ? [fold] : []);
  return made.figure;
}

// Marks: one by one where they are few, as counts where they are many.
function markFigure(kinds, view) {
  const colourOf = new Map([['fault', 'bad'], ['violation', 'bad'], ['vanish', 'warn'], ['reset', 'warn']]);
  const near = (kind, x, at) => kind.events.filter(([time]) => Math.abs(at(time) - x) <= 4);
  let positions = null;
  const say = (x, y) => {
    const kind = kinds[Math.floor((y - frameOf(0).top) / rowHeight)];
    if (!kind || !positions) return '';
    const found = near(kind, x, positions);
    const lines = found.slice(0, 6).map(([, text]) => text);
    return lines.join('\n') + (found.length > 6 ? `\nand ${found.length - 6} more` : '');
  };
  return timeFigure('Hotplug, faults and violations',
    'What happened to the system and what it reported; point at a mark to read it. ' +
    'Where there are too many to show each, the row is shaded by how many there are.', view,
    () => frameOf(0).top + kinds.length * rowHeight + 4, (context, frame, at) => {
      positions = at;
      kinds.forEach((kind, row) => {
        const y = frame.top + row * rowHeight + rowHeight / 2;
        drawName(context, kind.kind, frame, y, formatCount(kind.count));
        context.fillStyle = colours.line;
        context.fillRect(frame.left, y + rowHeight / 2 - 2, frame.right - frame.left, 1);
        context.fillStyle = colours[colourOf.get(kind.kind) ?? 'accent'];
        const most = Math.max(1, ...kind.bins.map(([, count]) => count));
        for (const [bin, count] of kind.bins) {
          const [left, right] = [Math.max(frame.left, at(bin * view.bin)), Math.min(frame.right, at((bin + 1) * view.bin))];
          if (right <= left) continue;
          context.globalAlpha = 0.25 + 0.6 * count / most;
          context.fillRect(left, y - 10, Math.max(1, right - left), 20);
        }
        context.globalAlpha = 0.9;
        if (kind.bins.length === 0) {
          for (const [time] of kind.events)
            if (time >= view.from && time <= view.to) context.fillRect(at(time) - 0.75, y - 10, 1.5, 20);
        }
        context.globalAlpha = 1;
      });
    }, say).figure;
}

// Amounts on top of one another.
function stackFigure(title, note, layers, view, unit = 'count') {
  const height = 190;
  const hidden = new Set();
  const visible = () => layers.filter((layer, i) => !hidden.has(i));
  const say = () => view.pointer === null ? '' : `${formatTime(view.pointer, view.digits() + 1)}\n` + visible().toReversed().map((layer) =>
    `${layer.name}: ${formatValue(levelAt(layer, view.pointer), unit)}`).join('\n');
  const key = element('ul', {class: 'key'}, layers.map((layer, i) => {
    const swatch = element('span', {class: 'swatch'});
    const paint = () => { swatch.style.background = seriesColour(i); };
    redraws.add(paint);
    paint();
    return element('li', {}, element('button', {'aria-pressed': 'true', onclick: (event) => {
      if (!hidden.delete(i)) hidden.add(i);
      event.currentTarget.setAttribute('aria-pressed', String(!hidden.has(i)));
      made.settle();
    }}, swatch, layer.name));
  }));
  const made = timeFigure(title, note, view, () => height, (context, frame, at) => {
    const pixels = Math.max(1, Math.floor(frame.right - frame.left));
    const step = (view.to - view.from) / pixels;
    const sums = new Float64Array(pixels);
    const tops = visible().map((layer) => {
      for (let i = 0; i < pixels; ++i) sums[i] += meanIn(layer, view.from + i * step, view.from + (i + 1) * step);
      return sums.slice();
    });
    const most = extent(sums)[1] * 1.04;
    const y = (value) => height - 4 - (most > 0 ? value / most : 0) * (height - frame.top - 8);
    context.textAlign = 'right';
    context.font = chartFont(11);
    for (const tick of niceTicks(0, most, 4)) {
      context.fillStyle = colours.soft;
      context.fillText(formatValue(tick, unit), frame.left - 8, y(tick));
      context.fillStyle = colours.grid;
      context.fillRect(frame.left, y(tick), frame.right - frame.left, 1);
    }
    tops.toReversed().forEach((top, fromAbove) => {
      const layer = visible()[tops.length - 1 - fromAbove];
      context.fillStyle = seriesColour(layers.indexOf(layer));
      context.beginPath();
      context.moveTo(frame.left, y(0));
      for (let i = 0; i < pixels; ++i) {
        context.lineTo(frame.left + i, y(top[i]));
        context.lineTo(frame.left + i + 1, y(top[i]));
      }
      context.lineTo(frame.left + pixels, y(0));
      context.closePath();
      context.fill();
    });
  }, say);
  made.figure.insertBefore(key, made.figure.querySelector('figcaption'));
  return made.figure;
}

// How fast requests were answered: counts of bins, as a rate.
function rateLanes(outcomes, timeline) {
  const seconds = timeline.bin / 1e12;
  return Object.entries(outcomes).map(([name, counts]) =>
    readLane({name, mean: counts.map((count) => count / seconds)}, timeline));
}

function timelineSection(timeline) {
  const view = new TimeWindow(timeline.end);
  view.bin = timeline.bin;
  const read = (lanes) => lanes.map((lane) => readLane(lane, timeline));
  const range = element('output', {id: 'window', class: 'note'});
  const say = () => { range.textContent = `${formatTime(view.from, view.digits())} to ${formatTime(view.to, view.digits())} of ${formatTime(view.end, 6)}`; };
  view.watchers.push(say);
  say();
  const button = (text, title, act) => element('button', {title, onclick: act}, text);
  const made = section('timeline', 'Timeline',
    element('p', {class: 'note'}, 'All figures here show the same window. Drag to zoom into a part, shift-drag or arrows to move, ',
      element('kbd', {}, '+'), ' ', element('kbd', {}, '-'), ' or Ctrl with the wheel to zoom, double-click or ', element('kbd', {}, '0'),
      ' for all of the run. Rows of amounts have a height of their own: the number below a name is its highest. Full colour is the mean of ' +
      'what a pixel stands for, light colour its most.'),
    element('div', {class: 'bar'}, button('Zoom in', '+', () => view.zoom(.5)), button('Zoom out', '-', () => view.zoom(2)),
      button('Earlier', 'Left', () => view.move(-.5)), button('Later', 'Right', () => view.move(.5)),
      button('All', '0', () => view.set(0, view.end)), range));
  const {breakdown} = timeline;
  if (timeline.marks.length) made.append(markFigure(timeline.marks, view));
  if (timeline.owners.length) {
    made.append(laneFigure('PASIDs allocated', 'to each owner, after the kernel that gave them', read(timeline.owners), view));
  }
  const rates = rateLanes(breakdown.outcomes, timeline);
  if (rates.length) {
    made.append(stackFigure('Requests answered', `Answers to devices' requests per second, by outcome; means over ${formatTime(view.bin)}.`,
      rates, view, '/s'));
  }
  for (const depth of timeline.depths) made.append(laneFigure(depth.title, depth.note, read(depth.lanes), view));
  return view;
}
