// Light and dark, as the system says or as the reader chooses; paper is always light.

const themes = ['auto', 'light', 'dark'];
const redraws = new Set();  // what draws with colours of the theme
const systemDark = matchMedia('(prefers-color-scheme: dark)');
let chosenTheme = 'auto';

try {
  if (themes.includes(localStorage.getItem('viosim-theme'))) chosenTheme = localStorage.getItem('viosim-theme');
} catch {
  // A browser that keeps nothing: the system's theme.
}

const isDark = () => !printing && (chosenTheme === 'dark' || (chosenTheme === 'auto' && systemDark.matches));
let colours = {};

function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
  const style = getComputedStyle(document.documentElement);
  colours = Object.fromEntries(['paper', 'panel', 'ink', 'soft', 'line', 'grid', 'accent', 'good', 'bad', 'warn',
    'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  for (const redraw of redraws) redraw();
}

// Of a series; beyond eight, dashes tell them apart.
const seriesColour = (number) => colours[`c${number % 8}`];
const seriesDash = (number) => [[], [7, 4], [2, 3], [10, 3, 2, 3]][Math.floor(number / 8) % 4];

function themeButton() {
  const text = () => `Theme: ${chosenTheme}`;
  const button = element('button', {id: 'theme', title: 'Switch between automatic, light and dark (t)', onclick: () => {
    chosenTheme = themes[(themes.indexOf(chosenTheme) + 1) % themes.length];
    try { localStorage.setItem('viosim-theme', chosenTheme); } catch { /* it lasts as long as the page */ }
    button.textContent = text();
    applyTheme();
  }}, text());
  return button;
}

systemDark.addEventListener('change', applyTheme);

// Charts far down the page are made when they come near; all of them before the page is printed.
const waiting = new Map();
const nearness = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) make(entry.target);
}, {rootMargin: '600px'});

function make(place) {
  const draw = waiting.get(place);
  if (!draw) return;
  waiting.delete(place);
  nearness.unobserve(place);
  draw();
}
function whenNear(place, draw) {
  waiting.set(place, draw);
  nearness.observe(place);
}
function drawEverything() {
  for (const place of [...waiting.keys()]) make(place);
}
