// Response curves: a figure over a parameter, one curve for each value of another, with bands of confidence.

const mostCurves = 16;

function responseSeries(curves, figure) {
  return curves.flatMap(({label, number}) => [
    {label, stroke: () => seriesColour(number), markerColour: () => seriesColour(number), width: 2, dash: seriesDash(number),
      spanGaps: true, points: {show: true, size: 7, fill: () => seriesColour(number)},
      value: (chart, value, series, index) => {
        if (value === null || value === undefined || index === null) return '-';
        const high = chart.data[series + 1][index];
        return `${formatValue(value, figure.unit)}${high === null ? '' : ` \u00b1 ${formatValue(high - value, figure.unit, 3)}`}`;
      }},
    ...['high', 'low'].map((label) => ({label: `${label} end`, stroke: 'transparent', width: 0, points: {show: false}, spanGaps: true}))]);
}

function responseChart(place, parameter, curves, figure) {
  const x = parameter.values;
  const columns = curves.flatMap(({rows}) => {
    const [mean, high, low] = [0, 1, 2].map(() => x.map(() => null));
    for (const row of rows) {
      mean[row.place] = row.mean;
      if (row.mean === null || row.half === null) continue;
      high[row.place] = row.mean + row.half;
      low[row.place] = row.mean - row.half;
    }
    return [mean, high, low];
  });
  const bands = curves.map(({number}, i) => ({series: [3 * i + 2, 3 * i + 3], fill: () => `color-mix(in srgb, ${seriesColour(number)} 22%, transparent)`}));
  const textOf = new Map(x.map((value, i) => [value, (parameter.shortTexts ?? parameter.texts)[i]]));
  const distance = parameter.logarithmic ? (value) => Math.log(value) : (value) => value;
  const spread = distance(x.at(-1)) - distance(x[0]);
  const ticks = () => {
    const kept = [];
    for (const value of x)
      if (!kept.length || distance(value) - distance(kept.at(-1)) >= spread / 14) kept.push(value);
    return kept;
  };
  const range = parameter.logarithmic ? [x[0] / 1.15, x.at(-1) * 1.15] : [x[0] - (spread || 1) * .03, x.at(-1) + (spread || 1) * .03];
  const values = columns.flat().filter((value) => value !== null);
  const [low, high] = extent(values);
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  return lineChart(place, `${figure.name} over ${parameter.name}`, {
    padding: [null, roomForTicks(ticks().map((value) => textOf.get(value))), null, null],
    scales: {x: {time: false, distr: parameter.logarithmic ? 3 : 1, range: (chart, from, to) => zoomedIn(chart, x, from, to) ? [from, to] : range},
      y: {range: [low >= 0 && low - pad < 0 ? 0 : low - pad, Math.min(high + pad, figure.most ?? Infinity)]}},
    axes: [plainAxis({label: parameter.name, splits: ticks, values: (chart, splits) => splits.map((value) => textOf.get(value) ?? ''),
      filter: (chart, splits) => splits}),
    plainAxis({label: figure.name, values: (chart, splits) => tickTexts(splits, (value, digits) => formatValue(value, figure.unit, digits)), size: 78})],
    series: [{label: parameter.name, value: (chart, value) => textOf.get(value) ?? '-'}, ...responseSeries(curves, figure)],
    bands,
    hooks: {setSeries: [hideBands]},
    legend: {live: true},
  }, [x, ...columns], 380);
}

// A band is there when its curve is.
function hideBands(chart, series, change) {
  if (!series || change.show === undefined) return;
  const curve = series - (series - 1) % 3;
  for (const end of [curve + 1, curve + 2])
    if (chart.series[end].show !== chart.series[curve].show) chart.setSeries(end, {show: chart.series[curve].show});
}

const zoomedIn = (chart, x, from, to) => from > x[0] || to < x.at(-1);

function responseView(points) {
  const best = points.parameters.filter((parameter) => parameter.texts.length > 1);
  const state = {figure: points.varying[0].name, chosen: new Map(),
    x: (best.find((parameter) => parameter.numeric) ?? best[0] ?? points.parameters[0]).name};
  state.by = points.drawn ? '' : best.find((parameter) => parameter.name !== state.x && parameter.texts.length <= mostCurves)?.name ?? '';
  const place = element('div', {id: 'response-plot'});
  const bar = element('div', {class: 'bar'});
  const caption = element('figcaption');
  let drawn = null;

  function curvesOf(parameter, figure, fixed) {
    const by = points.parameterNamed(state.by);
    if (!by || by === parameter) return [{label: figure.name, number: 0, rows: points.pooledBy(parameter, figure, points.where(fixed))}];
    return by.texts.slice(0, mostCurves).map((text, i) => ({label: `${by.name} ${text}`, number: i,
      rows: points.pooledBy(parameter, figure, points.where([...fixed, [by, i]]))})).filter((curve) => curve.rows.length);
  }

  function leftOutText(parameter) {
    const by = points.parameterNamed(state.by);
    return !by || by === parameter || by.texts.length <= mostCurves ? '' :
      ` The first ${mostCurves} of ${formatCount(by.texts.length)} values of ${by.name} are drawn.`;
  }

  function draw() {
    const [parameter, figure] = [points.parameterNamed(state.x), points.figureNamed(state.figure)];
    const axes = [state.x, state.by];
    bar.replaceChildren(choice('Figure', figureChoices(points), figure.name, set('figure')),
      choice('over', parameterChoices(points), state.x, set('x')),
      choice('a curve for each', [['', '(nothing)'], ...parameterChoices(points).filter(([name]) => name !== state.x)], state.by, set('by')),
      ...parameterFilters(points, axes, state.chosen, draw), pngButton('response', () => place.querySelector('canvas')));
    const fixed = fixedBy(points, axes, state.chosen);
    const curves = curvesOf(parameter, figure, fixed);
    drawn?.destroy();
    place.replaceChildren();
    drawn = responseChart(place, parameter, curves, figure);
    place.querySelectorAll('.u-legend .u-series').forEach((row, i) => { if (i > 0 && (i - 1) % 3 > 0) row.hidden = true; });
    const banded = curves.some((curve) => curve.rows.some((row) => row.half !== null));
    const counts = curves.flatMap((curve) => curve.rows.map((row) => row.n));
    const [fewest, most] = counts.length ? extent(counts) : [0, 0];
    const put = points.parameters.some((one) => !axes.includes(one.name) && one.texts.length > 1 && state.chosen.get(one.name) === together);
    caption.textContent = `${figure.name} over ${parameter.name}${fixed.length ? `, at ${fixedText(fixed)}` : ''}. ` +
      (most ? `${figure.ofPoints ? 'Parts' : 'Means'} of ${most > fewest ? `${fewest} to ` : ''}${counted(most, 'run')}` : 'No run has a value here') +
      (!most || figure.ofPoints ? '.' : banded ? '; bands are 95 % confidence intervals of the mean (Student\u2019s t).' : '; too few for a confidence interval.') +
      (put ? ' Runs of different points are put together, so the bands hold their spread as well.' : '') +
      leftOutText(parameter) + groupedText([parameter, points.parameterNamed(state.by)]);
  }
  const set = (key) => (value) => {
    state[key] = value;
    if (state.by === state.x) state.by = '';
    draw();
  };
  whenNear(place, draw);
  return element('figure', {}, bar, place, caption);
}
