// The report of a sweep.

function sweepSummary(points, data) {
  const {manifest, failures} = data;
  const unexpected = data.points.unexpected.reduce((sum, count) => sum + count, 0);
  const made = section('summary', 'Summary', facts(
    fact('runs', formatCount(manifest.runs)), fact('points', formatCount(points.count)),
    fact('design', manifest.design ?? 'unknown', 'small'),
    fact('parameters', points.parameters.map((one) => `${one.name} (${one.texts.length})`).join(', ') || 'none', 'small'),
    fact('failed', formatCount(failures.total), failures.total ? 'bad' : 'good'),
    fact('not as expected', formatCount(unexpected), unexpected ? 'bad' : 'good'),
    fact('seed', manifest.seed, 'small'), fact('viosim', `${manifest.program_version} ${manifest.commit}`, 'small')));
  if (manifest.checked === false) {
    made.append(element('p', {class: 'warn', id: 'unchecked'},
      'Not checked: the sweep has "checks": false, so no violation of an invariant was looked for.'));
  }
  const {unsettled} = data.points;
  if (unsettled.length) {
    made.append(element('p', {class: 'warn', id: 'unsettled'}, `${counted(unsettled.length, 'point')} ended at the most replicates without having fulfilled ` +
      `the stop rule: ${unsettled.length === 1 ? 'point' : 'points'} ${unsettled.slice(0, 20).join(', ')}${unsettled.length > 20 ? ' ...' : ''}.`));
  }
  const constant = points.figures.filter((figure) => figure.constant);
  if (constant.length) {
    made.append(element('details', {}, element('summary', {}, `Figures that were the same in all runs (${constant.length})`),
      dataTable([{name: 'figure', unit: 'text'}, {name: 'value', unit: 'count', text: (value, row) => formatValue(value, constant[row].unit)}],
        constant.map((figure) => [figure.name, data.figures.find((one) => one.name === figure.name).constant]), {name: 'constant'}).element));
  }
  if (data.left_out.length) {
    made.append(element('p', {class: 'note'}, `${data.left_out.length} figures are not in this report, since it would be too large; the database ` +
      `has them: ${data.left_out.slice(0, 5).join(', ')}${data.left_out.length > 5 ? ' ...' : ''}`));
  }
}

// A parameter that is called like a column is told from it by its head, as `viosim results` does.
const parameterHead = ({name}, taken) => taken.includes(name) ? `parameter.${name}` : name;

function pointTable(points, only) {
  const parameters = points.parameters;
  const figures = points.varying.filter((figure) => !figure.ofPoints);
  const counts = [{name: 'runs', unit: 'count'}, {name: 'failed', unit: 'count'}];
  const digitsOf = ({unit, at}) => digitsApart(points.data.points.runs.map((count, point) => at(point).mean),
    (value, digits) => formatValue(value, unit, digits), 4);
  const taken = ['point', ...counts.map(({name}) => name), ...figures.map(({name}) => name)];
  const columns = [{name: 'point', unit: 'count'},
    ...parameters.map((parameter) => ({name: parameterHead(parameter, taken),
      unit: parameter.numeric ? 'count' : 'text', bounds: parameter.numeric ? unitOf(parameter.texts.at(-1)) : 'text', text: (value, point) => parameter.textAt(point)})),
    ...counts,
    ...figures.map((figure) => {
      const digits = digitsOf(figure);
      return {name: figure.name, unit: figure.unit, text: (value, point) => {
        const half = halfWidth(figure.at(point), points.student);
        return formatValue(value, figure.unit, digits) + (half ? ` \u00b1 ${formatValue(half, figure.unit, 2)}` : '');
      }};
    })];
  const {runs, failed} = points.data.points;
  const rows = runs.map((count, point) => [point,
    ...parameters.map((parameter) => parameter.numeric ? parameter.numberAt(point) : parameter.textAt(point)),
    count, failed[point], ...figures.map((figure) => figure.at(point).mean)]);
  return dataTable(columns, rows, {name: 'points', filters: true, only, limit: 25,
    caption: 'All points: means of their runs, with half the 95 % confidence interval. Fields below the heads filter: "> 200 ns", "50 % .. 90 %", a word.'});
}

// Latencies of all runs of a point together, by percentile.
function sweepLatencies(points, data) {
  const {fractions, rows, total} = data.latencies;
  const names = [...new Set(rows.map((row) => row.name))];
  if (!names.length) return;
  const state = {name: names[0], by: points.parameters.find((one) => one.texts.length > 1)?.name ?? '', chosen: new Map()};
  const [bar, place, caption] = [element('div', {class: 'bar'}), element('div'), element('figcaption')];
  let drawn = null;
  // Points with the same values are one, as distributions are.
  const withoutCurve = (among, found) => {
    const left = new Set(among.map((point) => points.parameters.map((one) => one.textAt(point)).join('\n'))).size - found;
    return left ? ` ${counted(left, 'point')} ${left === 1 ? 'has' : 'have'} no curve: no run there came to its end with a sample of it.` : '';
  };
  const draw = () => {
    const by = points.parameterNamed(state.by);
    bar.replaceChildren(choice('Latency', names.map((name) => [name, name]), state.name, (value) => { state.name = value; draw(); }),
      by ? choice('a curve for each', parameterChoices(points), state.by, (value) => { state.by = value; draw(); }) : '',
      ...parameterFilters(points, [state.by], state.chosen, draw), pngButton('latency', () => place.querySelector('canvas')));
    const fixed = fixedBy(points, [state.by], state.chosen);
    const texts = fixed.map(([parameter, at]) => [points.parameters.indexOf(parameter), parameter.texts[at]]);
    const found = rows.filter((row) => row.name === state.name && texts.every(([place, text]) => row.group[place] === text));
    const wanted = found.slice(0, 24);
    const several = points.parameters.some((one) => one !== by && one.texts.length > 1 && state.chosen.get(one.name) === together);
    const labelOf = (row) => !by ? row.name : several ? points.parameters.map((one, i) => `${one.name} ${row.group[i]}`).join(', ') : `${by.name} ${row.group[place_]}`;
    const x = fractions.map(nines);
    const text = (value) => significant(100 * (1 - 10 ** -value), Math.ceil(value) + 2);
    const place_ = by ? points.parameters.indexOf(by) : 0;
    wanted.sort((a, b) => (by?.texts.indexOf(a.group[place_]) ?? 0) - (by?.texts.indexOf(b.group[place_]) ?? 0));
    drawn?.destroy();
    place.replaceChildren();
    drawn = lineChart(place, `${state.name} by percentile`, {scales: {x: {time: false}, y: logScale},
      axes: [plainAxis({label: 'percentile', splits: (chart, axis, low, high) => [0, nines(.5), 1, 2, 3, 4].filter((value) => value >= low - .01 && value <= high + .01),
        values: (chart, splits) => splits.map(text)}), logAxis('latency', formatTime, {size: 62})],
      series: [{label: 'percentile', value: (chart, value) => value === null || value === undefined ? '-' : text(value)},
        ...wanted.map((row, i) => ({label: labelOf(row), stroke: () => seriesColour(i), markerColour: () => seriesColour(i),
          width: 1.8, dash: seriesDash(i), points: {show: false}, value: (chart, value) => value ? formatTime(value) : '-'}))],
    }, [x, ...wanted.map((row) => row.values.map((value) => Math.max(1, value)))]);
    caption.textContent = `${state.name} by percentile, all runs of a point together${fixed.length ? `, at ${fixedText(fixed)}` : ''}.` +
      (found.length > wanted.length ? ` The first ${wanted.length} of ${formatCount(found.length)} points are drawn.` : '') + (total > rows.length ? '' : withoutCurve(points.where(fixed), found.length)) +
      (total > rows.length ? ` The first ${formatCount(rows.length)} of ${formatCount(total)} distributions are in this report.` : '');
  };
  section('latency', 'Latencies', element('figure', {}, bar, place, caption));
  whenNear(place, draw);
}

function failureSection(points, {total, rows, by_kind: byKind}) {
  const made = section('failures', 'Failures');
  if (!total) return made.append(element('p', {}, 'None: every run came to its end.'));
  made.append(element('p', {}, `${formatCount(total)} of ${formatCount(points.data.manifest.runs)} runs: ` +
    `${Object.entries(byKind).map(([kind, count]) => `${kind} ${formatCount(count)}`).join(', ')}.`,
  total > rows.length ? ` The first ${formatCount(rows.length)} are here.` : ''),
  dataTable([{name: 'run', unit: 'count'}, {name: 'kind', unit: 'text'},
    ...points.parameters.map((parameter) => ({name: parameterHead(parameter, ['run', 'kind', 'reason', 'replay']), unit: 'text'})),
    {name: 'reason', unit: 'text', long: true}, {name: 'replay', unit: 'text', long: true, show: (value) => element('code', {}, value)}],
  rows.map((row) => [row.run, row.kind, ...points.parameters.map((parameter) => parameter.textAt(row.point)), row.reason, row.replay]),
  {name: 'failures', caption: 'Runs that failed, and the command that does each again.'}).element);
}

function drawSweep(data) {
  const points = new Points(data);
  const axes = points.parameters.filter((parameter) => parameter.texts.length > 1);
  sweepSummary(points, data);
  if (points.varying.length && points.parameters.length) section('response', 'Response curves', responseView(points.inGroups()));
  if (points.varying.length && axes.length >= 2) section('map', 'Heat map', new HeatMap(points.inGroups()).element);
  sweepLatencies(points, data);
  let table = null;
  const parallel = points.varying.length && axes.length ? new ParallelView(points, () => table?.redraw()) : null;
  if (parallel) section('parallel', 'Parallel view', parallel.element);
  table = pointTable(points, parallel ? (point) => parallel.keeps(point) : null);
  section('points', 'Points', table.element);
  failureSection(points, data.failures);
  sourceSection('sweep', 'Sweep file', data.manifest.sweep);
}
