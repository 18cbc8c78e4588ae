// Latency distributions: a table, the cumulative distribution, and latency by percentile.

const percentiles = [['p50', .5], ['p90', .9], ['p99', .99], ['p99.9', .999], ['p99.99', .9999]];

// The value below which this part of the samples lies, as the histogram itself has it.
function percentileOf(latency, part) {
  const rank = Math.max(1, Math.ceil(part * latency.count));
  let seen = 0;
  for (let i = 0; i < latency.n.length; ++i) {
    seen += latency.n[i];
    if (seen >= rank) return latency.x[i];
  }
  return latency.max;
}

const latencyName = (latency) => `${latency.component} ${latency.operation}`;

// Joined so that all curves have their values at all places.
function joined(curves) {
  return curves.length === 1 ? curves[0] : uPlot.join(curves);
}

const latencySeries = (chosen, format) => chosen.map(({latency, slot}) => ({
  label: latencyName(latency), stroke: () => seriesColour(slot), markerColour: () => seriesColour(slot), width: 1.8,
  dash: seriesDash(slot), points: {show: false}, spanGaps: true, value: (chart, value) => value === null || value === undefined ? '-' : format(value)}));

function cdfChart(place, chosen) {
  const curves = chosen.map(({latency}) => {
    let seen = 0;
    const x = [Math.max(1, latency.min)];
    const y = [0];
    latency.x.forEach((value, i) => {
      seen += latency.n[i];
      x.push(Math.max(x.at(-1) * (1 + 1e-9), value));
      y.push(seen / latency.count);
    });
    return [x, y];
  });
  const series = latencySeries(chosen, (value) => formatRatio(value, 5)).map((one) =>
    ({...one, paths: uPlot.paths.stepped({align: 1})}));
  return lineChart(place, 'Cumulative distributions of latencies', {
    scales: {x: {time: false, distr: 3, range: (chart, low, high) => [low, high]}, y: {range: [0, 1]}},
    axes: [logAxis('latency', formatTime),
      plainAxis({label: 'part of all samples', values: (chart, splits) => splits.map((value) => `${Math.round(100 * value)} %`), size: 52})],
    series: [{label: 'at most', value: (chart, value) => value ? formatTime(value) : '-'}, ...series],
  }, joined(curves));
}

// As high as its values need, and not to the next powers of ten.
const logScale = {distr: 3, range: (chart, low, high) => low > 0 ? [low / 1.2, high * 1.2] : [1, 10]};

// The axis has as much room for 99 to 99.9 % as for 90 to 99 %.
const nines = (part) => -Math.log10(1 - part);
function percentileChart(place, chosen) {
  const curves = chosen.map(({latency}) => {
    let seen = 0;
    const x = [];
    const y = [];
    latency.x.forEach((value, i) => {
      const from = nines(seen / latency.count);
      x.push(x.length && from <= x.at(-1) ? x.at(-1) + 1e-12 : from);
      y.push(Math.max(1, value));
      seen += latency.n[i];
    });
    x.push(Math.max(x.at(-1) + 1e-12, Math.log10(latency.count) + .001));
    y.push(Math.max(1, latency.x.at(-1)));
    return [x, y];
  });
  const last = Math.max(1, ...curves.map(([x]) => x.at(-1)));
  const text = (value) => significant(100 * (1 - 10 ** -value), Math.ceil(value) + 2);
  const series = latencySeries(chosen, formatTime).map((one) => ({...one, paths: uPlot.paths.stepped({align: 1})}));
  return lineChart(place, 'Latencies by percentile', {
    scales: {x: {time: false, range: (chart, low, high) => [Math.max(0, low), high]}, y: logScale},
    axes: [plainAxis({label: 'percentile', values: (chart, splits) => splits.map((value) => text(value)),
      splits: (chart, axis, low, high) => [0, nines(.5), 1, 2, 3, 4, 5, 6].filter((value) => value >= low - 1e-9 && value <= Math.min(high, last) + 1e-9)}),
    logAxis('latency', formatTime, {size: 62})],
    series: [{label: 'percentile', value: (chart, value) => value === null || value === undefined ? '-' : text(value)}, ...series],
  }, joined(curves));
}

// The operations that take most of all time, so that what matters is seen first.
function firstChosen(latencies, count) {
  return latencies.map((latency, number) => ({number, time: latency.mean * latency.count}))
    .sort((a, b) => b.time - a.time || a.number - b.number).slice(0, count).map(({number}) => number);
}

function latencySection(latencies) {
  const slots = new Map();  // of what is drawn: its colour's number, which it keeps
  const choose = (number) => {
    let slot = 0;
    while ([...slots.values()].includes(slot)) ++slot;
    slots.set(number, slot);
  };
  firstChosen(latencies, 6).sort((a, b) => a - b).forEach(choose);
  const [cdf, curve] = [element('div'), element('div')];
  let drawn = [];
  const draw = () => {
    drawn.forEach((one) => one.destroy());
    [cdf, curve].forEach((place) => place.replaceChildren());
    const list = [...slots].sort((a, b) => a[0] - b[0]).map(([number, slot]) => ({latency: latencies[number], slot}));
    drawn = list.length ? [cdfChart(cdf, list), percentileChart(curve, list)] : [];
  };
  const boxes = (value, number) => element('input', {type: 'checkbox', checked: slots.has(number),
    'aria-label': `Draw ${latencyName(latencies[number])}`, onchange: (event) => {
      if (event.target.checked) choose(number); else slots.delete(number);
      draw();
    }});
  const columns = [{name: 'draw', unit: 'text', control: true, show: boxes}, {name: 'component', unit: 'text'}, {name: 'operation', unit: 'text'},
    {name: 'count', unit: 'count'}, {name: 'mean', unit: 'ps'}, ...percentiles.map(([label]) => ({name: label, unit: 'ps'})),
    {name: 'max', unit: 'ps'}];
  const rows = latencies.map((latency) => ['', latency.component, latency.operation, latency.count, latency.mean,
    ...percentiles.map(([, part]) => percentileOf(latency, part)), latency.max]);
  const made = section('latency', 'Latencies',
    element('div', {class: 'pair'},
      element('figure', {}, element('h3', {}, 'Cumulative distribution'), cdf,
        element('figcaption', {}, 'The part of all samples that took at most so long. Drag to zoom, double-click for all.')),
      element('figure', {}, element('h3', {}, 'By percentile'), curve,
        element('figcaption', {}, 'What the slowest half, tenth, hundredth ... of the samples took at least.'))),
    dataTable(columns, rows, {name: 'latencies', caption: 'Latencies of all operations; those with a mark are drawn above.'}).element);
  whenNear(made, draw);
}
