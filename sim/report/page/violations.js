// Invariants that did not hold, each with the events that led to it.

function violationItem(violation, number) {
  const facts = [['found at', violation.actor || violation.component], ['PASID', `${violation.pasid}, epoch ${violation.epoch} (now ${violation.current_epoch})`],
    ['owner', violation.owner || 'none'], ['before', violation.previous_owner || 'none']];
  return element('article', {class: 'violation'},
    element('h3', {}, `${number + 1}. ${violation.invariant} at ${formatTime(violation.time, 9)}: ${violation.message}`),
    violation.sentence ? element('p', {class: 'note'}, `${violation.invariant}: ${violation.sentence}`,
      violation.bug ? ` (${violation.bug})` : '') : null,
    element('p', {class: 'note'}, facts.map(([name, value]) => `${name} ${value}`).join('; ')),
    violation.events.length ? element('ol', {class: 'chain', 'aria-label': 'Events that led to it'}, violation.events.map((event) =>
      element('li', {}, element('time', {}, formatTime(event.time, 12)), event.text || `${event.component} ${event.kind}`))) : null);
}

// Why a run that has no violation cannot be called one without: [in the summary, in the section]; null: it can.
function whyNoneFound(manifest) {
  const unchecked = (why) => ['not checked', `Not checked: ${why}`];
  if (!manifest.complete)
    return unchecked('the run did not finish, and violations are kept at its end. "viosim check" looks for them in the trace that there is.');
  if (manifest.checks === 'off')
    return unchecked('the run was made with --checks off. "viosim check" looks for violations in its trace, if it has one.');
  return manifest.checks === 'on' ? null : ['none recorded', 'No violation is recorded; the database does not say whether they were looked for. "viosim check" looks for them in its trace, if it has one.'];
}

// Of a database that has no counts, but as many rows as there may be.
const violationCount = ({at_least: atLeast}, times) => `${atLeast ? 'at least ' : ''}${formatCount(times)}`;

function violationSection(violations, manifest) {
  const {total, rows, by_invariant: byInvariant} = violations;
  const list = element('div');
  let shown = 0;
  const left = element('p', {class: 'note paper'});
  const more = element('button', {class: 'more', onclick: () => add(100)}, 'Show more');
  function add(count) {
    list.append(...rows.slice(shown, shown + count).map((row, i) => violationItem(row, shown + i)));
    shown = Math.min(rows.length, shown + count);
    more.hidden = shown === rows.length;
    leftOut(left, shown, total, 'violation');
  }
  const made = section('violations', 'Violations');
  const why = whyNoneFound(manifest);
  if (!total) return made.append(element('p', {class: why && 'warn'}, why ? why[1] : 'None: every invariant that was checked held.'));
  const kinds = Object.entries(byInvariant).sort((a, b) => compareCells(a[0], b[0]));
  made.append(element('p', {}, `${violationCount(violations, total)} in all: ${kinds.map(([name, times]) => `${violationCount(violations, times)} of ${name}`).join(', ')}.`,
    violations.at_least ? ' The database has no counts, and its rows are as many as a run keeps.' : '',
    total > rows.length ? ` ${formatCount(rows.length)} are here.` : ''), list, left, more);
  add(20);
}
