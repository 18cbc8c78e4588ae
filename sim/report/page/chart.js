// Line charts by uPlot: colours of the theme, zoom with mouse and keys.

const measuring = element('canvas').getContext('2d');

// A label as long as its axis; `whole` is for who points at it.
const axisLabel = (text) => text && {whole: text, label: (chart, axis) => {
  measuring.font = chartFont(12);
  const {width, height} = chart.bbox;
  return shorten(measuring, text, (chart.axes[axis].side % 2 ? height : width) / uPlot.pxRatio);
}};

const plainAxis = ({label, ...options}) => ({
  stroke: () => colours.soft, font: chartFont(12), labelFont: chartFont(12), labelSize: 22, size: 46,
  grid: {stroke: () => colours.grid, width: 1}, ticks: {stroke: () => colours.line, width: 1, size: 5}, ...axisLabel(label), ...options,
});

// 1, 2, 3 ... 9 times each power of ten; of less than half a power, equal steps, since few of these are in it.
const isShort = (low, high) => high / low < 5;
function logSplits(chart, axis, low, high) {
  if (isShort(low, high)) return niceTicks(low, high, 6);
  const all = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10)
    for (let digit = 1; digit < 10; ++digit)
      if (digit * power >= low * .999 && digit * power <= high * 1.001) all.push(digit * power);
  return all;
}
const logAxis = (label, format, options = {}) => plainAxis({label, splits: logSplits, values: logTexts(format),
  filter: (chart, splits) => splits, ...options});

// A logarithmic axis has texts at powers of ten, and between them where there are few.
function logTexts(format) {
  return (chart, splits) => {
    if (splits.length && isShort(splits[0], splits.at(-1))) return tickTexts(splits, (value, digits) => value === null ? '' : format(value, digits));
    const powers = splits.filter((value) => value !== null && Math.abs(Math.log10(value) % 1) < 1e-6).length;
    return splits.map((value) => {
      if (value === null) return '';
      const digit = Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
      return digit === 1 || (powers < 3 && (digit === 2 || digit === 5)) ? format(value) : '';
    });
  };
}

// `x`: all places, of which both ends are seen before anybody zooms.
function addKeys(place, chart, x) {
  const set = (min, max) => chart.setScale('x', {min, max});
  const log = chart.scales.x.distr === 3;
  const to = log ? Math.log : (x) => x;
  const from = log ? Math.exp : (x) => x;
  place.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== place) return;
    const [low, high] = [to(chart.scales.x.min), to(chart.scales.x.max)];
    const width = high - low;
    const move = {ArrowLeft: [-.2, -.2], ArrowRight: [.2, .2], '+': [.2, -.2], '=': [.2, -.2], '-': [-.33, .33]}[event.key];
    if (move) set(from(low + move[0] * width), from(high + move[1] * width));
    else if (event.key === '0' || event.key === 'Escape') set(x[0], x.at(-1));
    else return;
    event.preventDefault();
  });
}

// An entry of the legend is a switch, also for keys.
function addLegendKeys(place, chart) {
  place.querySelectorAll('.u-legend .u-series').forEach((row, i) => {
    const head = row.querySelector('th');
    if (i === 0 || !head) return;
    head.tabIndex = 0;
    head.setAttribute('role', 'button');
    head.setAttribute('aria-label', `Draw ${chart.series[i].label}`);
    head.setAttribute('aria-pressed', String(chart.series[i].show));
    head.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      head.click();
      event.preventDefault();
    });
  });
  chart.hooks.setSeries = [...chart.hooks.setSeries ?? [], (which, series, change) => {
    if (change.show === undefined) return;
    place.querySelectorAll('.u-legend .u-series').forEach((row, i) => {
      if (i > 0) row.querySelector('th')?.setAttribute('aria-pressed', String(which.series[i].show));
    });
  }];
}

// A piece of each line, with its dashes: colours come again after eight.
function paintMarkers(place, chart) {
  place.querySelectorAll('.u-legend .u-series').forEach((row, i) => {
    const marker = row.querySelector('.u-marker');
    const {markerColour, dash} = chart.series[i];
    if (!marker || !markerColour) return;
    let at = 0;
    const parts = (dash?.length ? dash : [1, 0]).map((length, part) => {
      const from = at;
      at += length;
      return `${part % 2 ? 'transparent' : markerColour()} ${from}px ${at}px`;
    });
    marker.classList.add('line');
    marker.style.border = 'none';
    marker.style.background = `repeating-linear-gradient(90deg, ${parts.join(', ')})`;
  });
}

// Room to the right of the last text below a chart, which stands half beyond its end.
function roomForTicks(texts) {
  measuring.font = chartFont(12);
  return Math.ceil(Math.max(25, ...texts.map((text) => measuring.measureText(text).width / 2 + 2)));
}

// options and data as uPlot has them, without size; `label` says what it shows to who does not see it. Returns {chart, place}.
function lineChart(place, label, options, data, height = 340) {
  // Two charts shall find room on a page of paper.
  const size = () => ({width: Math.max(240, place.clientWidth), height: printing ? Math.round(.75 * height) : height});
  place.tabIndex = 0;
  place.classList.add('plot');
  place.setAttribute('role', 'group');
  place.setAttribute('aria-label', `${label}: + - arrows 0`);
  const chart = new uPlot({...size(), pxAlign: 0, cursor: {drag: {x: true, y: false}, focus: {prox: 24}},
    focus: {alpha: 0.35}, legend: {live: true}, ...options}, data, place);
  // uPlot draws in a task of its own, which a page that is being printed never gets to.
  const now = (change) => chart.batch(change);
  now(() => {});
  chart.ctx.canvas.setAttribute('role', 'img');
  chart.ctx.canvas.setAttribute('aria-label', label);
  place.querySelectorAll('.u-axis').forEach((axis, i) => { axis.title = options.axes[i].whole ?? ''; });
  addLegendKeys(place, chart);
  paintMarkers(place, chart);
  addKeys(place, chart, data[0]);
  const resize = () => {
    const wanted = size();
    if (wanted.width !== chart.width || wanted.height !== chart.height) chart.setSize(wanted);
  };
  const redraw = () => {
    now(() => { resize(); chart.redraw(); });
    paintMarkers(place, chart);
  };
  redraws.add(redraw);
  new ResizeObserver(resize).observe(place);
  return {chart, destroy() { redraws.delete(redraw); chart.destroy(); }};
}
