// A canvas as wide as its place, sharp on screens and on paper.

const sharpness = () => Math.max(2, devicePixelRatio || 1);
const chartFont = (size = 12) => `${size}px system-ui, "Segoe UI", Roboto, Arial, sans-serif`;

// draw(context, width, height) works in CSS pixels. Returns {canvas, redraw}.
function canvasIn(place, heightOf, draw, label) {
  const canvas = element('canvas', {role: 'img', 'aria-label': label});
  place.append(canvas);
  let queued = false;
  const redraw = () => {
    const width = place.clientWidth;
    if (width === 0) return;
    const height = heightOf(width);
    const scale = sharpness();
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
    const context = canvas.getContext('2d');
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, width, height);
  };
  const soon = () => {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => { queued = false; redraw(); });
  };
  redraws.add(redraw);
  new ResizeObserver(soon).observe(place);
  redraw();
  return {canvas, redraw: soon};
}

// Without its middle, if it is too long: of names the beginnings say where, the ends say what.
function shorten(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  const kept = (count) => `${text.slice(0, Math.floor(count / 3))}...${text.slice(text.length - Math.ceil(2 * count / 3))}`;
  let low = 0;
  let high = text.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(kept(middle)).width <= width) low = middle; else high = middle - 1;
  }
  return kept(low);
}

// Steps of 1, 2 or 5 times a power of ten, about as many as asked for.
function niceTicks(from, to, about) {
  const raw = (to - from) / Math.max(1, about);
  if (!(raw > 0)) return [from];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) * power;
  const ticks = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to * (1 + 1e-12); ++i) ticks.push(i * step + 0);
  return ticks;
}

// The digits that tell neighbouring ticks apart.
function tickDigits(ticks, format) {
  const different = new Set(ticks).size;
  for (let digits = 3; digits <= 12; ++digits) if (new Set(ticks.map((tick) => format(tick, digits))).size === different) return digits;
  return 15;
}
function tickTexts(ticks, format) {
  const digits = tickDigits(ticks, format);
  return ticks.map((tick) => format(tick, digits));
}

// From dark to light, as equal steps for the eye, also without colour (viridis, by nine of its colours).
const mapColours = ['#440154', '#472d7b', '#3b528b', '#2c728e', '#21918c', '#28ae80', '#5ec962', '#addc30', '#fde725']
  .map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
function mapColour(part) {
  const place = Math.max(0, Math.min(1, part)) * (mapColours.length - 1);
  const low = Math.min(Math.floor(place), mapColours.length - 2);
  return mapColours[low].map((value, i) => Math.round(value + (mapColours[low + 1][i] - value) * (place - low)));
}
const rgb = (colour) => `rgb(${colour.join(' ')})`;
const inkOn = ([r, g, b]) => 0.299 * r + 0.587 * g + 0.114 * b > 140 ? '#111' : '#fff';

function pngButton(name, canvasOf) {
  return element('button', {title: 'Save this figure as a picture', onclick: () =>
    canvasOf()?.toBlob((blob) => download(`${name}.png`, blob))}, 'PNG');
}
