// The window of time that all figures of the timeline share: zoom by mouse, wheel and keys; the axis and the frame.

const rowHeight = 30;

// What part of the run is looked at; whoever draws it is told.
class TimeWindow {
  constructor(end) {
    this.end = end;
    this.from = 0;
    this.to = end;
    this.pointer = null;
    this.watchers = [];
  }
  set(from, to) {
    const width = Math.min(Math.max(to - from, Math.min(this.end, 1000)), this.end);
    this.from = Math.max(0, Math.min(from, this.end - width));
    this.to = this.from + width;
    this.tell();
  }
  zoom(factor, around = (this.from + this.to) / 2) {
    this.set(around - (around - this.from) * factor, around + (this.to - around) * factor);
  }
  move(part) {
    const by = part * (this.to - this.from);
    this.set(this.from + by, this.to + by);
  }
  point(time) {
    this.pointer = time;
    this.tell();
  }
  // As many digits of a time as tell a hundredth of what is in view.
  digits() { return Math.min(15, Math.max(6, Math.ceil(Math.log10(Math.max(1, this.to) / (this.to - this.from))) + 3)); }
  tell() { for (const watcher of this.watchers) watcher(); }
}

// Where names are, and where time is.
function frameOf(width) {
  const left = Math.min(260, Math.max(96, width * 0.22));
  return {left, right: width - 8, top: 20};
}

function drawTimeAxis(context, frame, height, view) {
  const at = (time) => frame.left + (time - view.from) / (view.to - view.from) * (frame.right - frame.left);
  const ticks = niceTicks(view.from, view.to, (frame.right - frame.left) / 110);
  const texts = tickTexts(ticks, formatTime);
  context.font = chartFont(11);
  context.textBaseline = 'alphabetic';
  ticks.forEach((tick, i) => {
    const x = at(tick);
    context.strokeStyle = colours.grid;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, frame.top);
    context.lineTo(x, height);
    context.stroke();
    context.fillStyle = colours.soft;
    const half = context.measureText(texts[i]).width / 2;
    context.textAlign = 'left';
    context.fillText(texts[i], Math.max(frame.left, Math.min(x - half, frame.right - 2 * half)), 12);
  });
  return at;
}

function drawPointer(context, frame, height, view, at) {
  if (view.pointer === null || view.pointer < view.from || view.pointer > view.to) return;
  context.strokeStyle = colours.soft;
  context.setLineDash([3, 3]);
  context.beginPath();
  context.moveTo(at(view.pointer), frame.top);
  context.lineTo(at(view.pointer), height);
  context.stroke();
  context.setLineDash([]);
}

// One row: light to the most within a pixel, full to the mean.
function drawLane(context, lane, colour, box, view) {
  const top = Math.max(lane.peak, 1e-300);
  const pixels = Math.max(1, Math.floor(box.right - box.left));
  const step = (view.to - view.from) / pixels;
  const area = (valueOf, alpha) => {
    context.globalAlpha = alpha;
    context.beginPath();
    context.moveTo(box.left, box.bottom);
    for (let i = 0; i < pixels; ++i) {
      const y = box.bottom - valueOf(view.from + i * step, view.from + (i + 1) * step) / top * (box.bottom - box.top);
      context.lineTo(box.left + i, y);
      context.lineTo(box.left + i + 1, y);
    }
    context.lineTo(box.left + pixels, box.bottom);
    context.closePath();
    context.fill();
  };
  context.fillStyle = colour;
  area((from, to) => mostIn(lane, from, to), 0.3);
  area((from, to) => meanIn(lane, from, to), 0.85);
  context.globalAlpha = 1;
}

function drawName(context, text, frame, y, below) {
  context.textAlign = 'right';
  context.font = chartFont(11);
  context.fillStyle = colours.ink;
  context.fillText(shorten(context, text, frame.left - 12), frame.left - 8, below ? y - 5 : y);
  if (!below) return;
  context.fillStyle = colours.soft;
  context.font = chartFont(9.5);
  context.fillText(below, frame.left - 8, y + 8);
}

// Mouse, wheel and keys of a canvas over time. `say` tells what is under the pointer.
function addTimeControls(place, canvas, view, say) {
  const timeAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const frame = frameOf(box.width);
    return view.from + (event.clientX - box.left - frame.left) / (frame.right - frame.left) * (view.to - view.from);
  };
  let pressed = null;
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    pressed = {time: timeAt(event), x: event.clientX, from: view.from, to: view.to};
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (pressed && event.shiftKey) {
      view.set(pressed.from - (timeAt(event) - pressed.time), pressed.to - (timeAt(event) - pressed.time));
      return;
    }
    const inView = (time) => Math.max(view.from, Math.min(view.to, time));  // the pointer may be beside the axis
    const marked = pressed && Math.abs(event.clientX - pressed.x) > 3 && [inView(pressed.time), inView(timeAt(event))];
    view.selection = marked && marked[0] !== marked[1] ? marked : null;
    view.point(Math.max(0, Math.min(view.end, timeAt(event))));
    const box = canvas.getBoundingClientRect();
    tip.show(say(event.clientX - box.left, event.clientY - box.top, box), event.clientX, event.clientY);
  });
  canvas.addEventListener('pointerup', () => {
    if (view.selection) view.set(Math.min(...view.selection), Math.max(...view.selection));
    pressed = view.selection = null;
    view.tell();
  });
  canvas.addEventListener('pointercancel', () => { pressed = view.selection = null; });
  canvas.addEventListener('pointerleave', () => { tip.hide(); view.point(null); });
  canvas.addEventListener('dblclick', () => view.set(0, view.end));
  canvas.addEventListener('wheel', (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    view.zoom(event.deltaY > 0 ? 1.3 : 1 / 1.3, timeAt(event));
  }, {passive: false});
  place.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== place) return;
    const act = {ArrowLeft: () => view.move(-.2), ArrowRight: () => view.move(.2), '+': () => view.zoom(.6), '=': () => view.zoom(.6),
      '-': () => view.zoom(1 / .6), 0: () => view.set(0, view.end), Escape: () => view.set(0, view.end)}[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  });
}

function drawSelection(context, height, view, at, frame) {
  if (!view.selection) return;
  context.fillStyle = colours.accent;
  context.globalAlpha = 0.15;
  context.fillRect(at(view.selection[0]), frame.top, at(view.selection[1]) - at(view.selection[0]), height);
  context.globalAlpha = 1;
}

// A figure over time. paint(context, frame, at) draws what is its own; say(x, y) tells of a place.
function timeFigure(title, caption, view, heightOf, paint, say, controls = []) {
  const place = element('div', {class: 'plot', tabindex: 0, role: 'group', 'aria-label': `${title}, over time: + - arrows 0`});
  const bar = element('div', {class: 'bar'}, controls);
  const figure = element('figure', {}, element('div', {class: 'figurehead'}, element('h3', {}, title), bar), place,
    element('figcaption', {}, caption));
  whenNear(place, () => {
    const drawing = canvasIn(place, heightOf, (context, width, height) => {
      const frame = frameOf(width);
      const at = drawTimeAxis(context, frame, height, view);
      context.textBaseline = 'middle';
      paint(context, frame, at, height);
      drawSelection(context, height, view, at, frame);
      drawPointer(context, frame, height, view, at);
    }, title);
    view.watchers.push(drawing.redraw);
    figure.redraw = drawing.redraw;
    bar.append(pngButton(title.replaceAll(' ', '-'), () => drawing.canvas));
    addTimeControls(place, drawing.canvas, view, say);
  });
  place.style.minHeight = `${heightOf(800)}px`;
  return {figure, settle() { place.style.minHeight = `${heightOf(800)}px`; figure.redraw?.(); }};
}
