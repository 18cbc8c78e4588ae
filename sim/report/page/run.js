// The report of a run.

const fact = (name, value, classes = '') => element('div', {}, element('dt', {}, name), element('dd', {class: classes}, value));
const facts = (...all) => element('dl', {class: 'facts'}, all);

function tableSum(data, id, column) {
  const table = data.tables.find((one) => one.id === id);
  const place = table?.columns.findIndex((one) => one.name === column) ?? -1;
  return place < 0 ? null : table.rows.reduce((sum, row) => sum + (row[place] ?? 0), 0);
}

function runSummary(data) {
  const {manifest, expectations, violations, timeline} = data;
  const met = expectations.filter((one) => one.met).length;
  const [requests, hits, misses, faults] = ['requests', 'hits', 'misses', 'faults'].map((name) => tableSum(data, 'devices', name));
  const all = [
    timeline ? fact('trace ends at', formatTime(timeline.end, 6)) : fact('duration', manifest.duration ?? 'not recorded', 'small'),
    requests === null ? null : fact('requests of devices', formatCount(requests)),
    hits + misses > 0 ? fact('hit rate of devices', formatValue(hits / (hits + misses), 'ratio')) : null,
    faults === null ? null : fact('faults of devices', formatCount(faults)),
    !violations.total && whyNoneFound(manifest) ? fact('violations', whyNoneFound(manifest)[0], 'warn')
      : fact('violations', violationCount(violations, violations.total), violations.total ? 'bad' : 'good'),
    expectations.length ? fact('expectations met', `${met} of ${expectations.length}`, met === expectations.length ? 'good' : 'bad') : null,
    fact('trace events', formatCount(manifest.events)),
    fact('seed', manifest.seed, 'small'),
    fact('viosim', `${manifest.program_version} ${manifest.commit ?? ''}`, 'small'),
  ];
  const made = section('summary', 'Summary');
  if (!manifest.complete)
    made.append(element('p', {class: 'bad'}, 'The run did not finish: this is what it had recorded until then.'));
  if (!timeline) made.append(element('p', {class: 'note'}, 'There is no trace, so there is no timeline.'));
  made.append(facts(...all.filter(Boolean)));
  if (expectations.length) {
    made.append(dataTable([{name: 'expected', unit: 'text', long: true}, {name: 'found', unit: 'text'},
      {name: 'met', unit: 'text', show: (value) => element('span', {class: value === 'yes' ? 'good' : 'bad'}, value)}],
    expectations.toSorted((a, b) => a.met - b.met).map((one) => [one.expected, one.found, one.met ? 'yes' : 'no']),
    {limit: 8, caption: 'What the scenario expects of the run.'}).element);
  }
}

function tableSection(data) {
  const made = section('tables', 'Caches, locks and counters');
  const notes = {caches: 'Caches that were asked at all.', locks: 'Locks that were taken; sorted by how long threads waited for them.'};
  for (const table of data.tables) {
    const waited = table.columns.findIndex((column) => column.name === 'waited');
    made.append(element('h3', {id: `table-${table.id}`}, table.title),
      dataTable(table.columns, table.rows, {name: table.id, caption: notes[table.id], ...(waited > 0 && {sort: waited, down: true})}).element);
  }
  const {rows, total} = data.counters;
  if (!total) return;
  made.append(element('details', {}, element('summary', {}, `All counters that are not 0 (${formatCount(total)})`),
    dataTable([{name: 'component', unit: 'text'}, {name: 'counter', unit: 'text'}, {name: 'value', unit: 'count',
      text: (value, number) => formatValue(value, rows[number][2])}],
    rows.map(([component, name, , value]) => [component, name, value]), {name: 'counters',
      caption: total > rows.length ? `The first ${formatCount(rows.length)}; the database has all.` : null}).element));
}

function sourceSection(id, title, text) {
  if (!text) return;
  section(id, title, element('details', {}, element('summary', {}, 'Show it'), element('pre', {tabindex: 0}, text)));
}

function drawRun(data) {
  runSummary(data);
  violationSection(data.violations, data.manifest);
  if (data.latencies.length) latencySection(data.latencies);
  if (data.timeline) breakdownSection(data.timeline, timelineSection(data.timeline));
  tableSection(data);
  sourceSection('scenario', 'Scenario', data.manifest.scenario);
}
