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

function violationSection(violations) {
  const {total, rows} = violations;
  const list = element('div');
  let shown = 0;
  const more = element('button', {class: 'more', onclick: () => add(100)}, 'Show more');
  function add(count) {
    list.append(...rows.slice(shown, shown + count).map((row, i) => violationItem(row, shown + i)));
    shown = Math.min(rows.length, shown + count);
    more.hidden = shown === rows.length;
  }
  const made = section('violations', 'Violations');
  if (!total) return made.append(element('p', {}, 'None: every invariant that was checked held.'));
  const kinds = Map.groupBy ? [...Map.groupBy(rows, (row) => row.invariant)] : [];
  made.append(element('p', {}, `${formatCount(total)} in all`,
    kinds.length ? `: ${kinds.map(([name, all]) => `${formatCount(all.length)} of ${name}`).join(', ')}` : '', '.',
    total > rows.length ? ` The first ${formatCount(rows.length)} are here.` : ''), list, more);
  add(20);
}
