// Draws the report that the page's data is of; keys of the whole page.

function drawHead({manifest, kind}) {
  document.getElementById('head').append(
    element('div', {}, element('h1', {}, manifest.name ?? (kind === 'run' ? 'A run' : 'A sweep')),
      element('p', {class: 'soft'}, manifest.description ?? '')),
    themeButton(), element('button', {onclick: () => help.showModal(), title: 'Keys (?)'}, 'Keys'));
  document.getElementById('foot').append(`viosim ${manifest.program_version}${manifest.commit ? `, commit ${manifest.commit}` : ''}. Times are simulated. ` +
    'Charts: uPlot (MIT licence, in this file).');
}

const key = (name) => element('kbd', {}, name);
const help = element('dialog', {'aria-label': 'Keys'}, element('h2', {}, 'Keys'),
  element('table', {}, [['1 ... 9', 'go to a section'], ['/', 'filter the next table'], ['t', 'light, dark or automatic'], ['?', 'this list'],
    ['Tab', 'to the next chart, field or button'], ['+ -', 'in a chart: zoom'], ['Left Right', 'in a chart: move; in a heat map: cell by cell'],
    ['0, Escape', 'in a chart: all of it'],
    ['Enter', 'on a name below a chart: its curve, or not']].map(([name, what]) => element('tr', {}, element('td', {class: 'text'}, key(name)), element('td', {class: 'text'}, what)))),
  element('p', {}, element('button', {onclick: () => help.close()}, 'Close')));
document.body.append(help);

addEventListener('keydown', (event) => {
  if (help.open) return;  // what is behind it is out of reach
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, select, textarea')) return;
  if (event.key >= '1' && event.key <= '9') document.querySelectorAll('#nav a')[Number(event.key) - 1]?.click();
  else if (event.key === 't') document.getElementById('theme').click();
  else if (event.key === '?') help.showModal();
  else if (event.key === '/') {
    const fields = [...document.querySelectorAll('input[type=search]')];
    (fields.find((field) => field.getBoundingClientRect().top > 0) ?? fields.at(-1))?.focus();
    event.preventDefault();
  }
});

applyTheme();
const report = JSON.parse(document.getElementById('data').textContent);
drawHead(report);
if (report.kind === 'run') drawRun(report); else drawSweep(report);
document.documentElement.dataset.ready = 'true';
