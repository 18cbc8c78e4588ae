// The parallel view: an axis for each parameter and for some figures, a line for each point. Drag along an axis to keep
// only what passes there; the table below keeps the same.

// [part of the axis, text], of which no two say the same.
function evenTicks(low, high, unit) {
  const parts = high > low ? [0, .25, .5, .75, 1] : [.5];
  const texts = tickTexts(parts.map((part) => low + part * (high - low)), (value, digits) => formatValue(value, unit, digits));
  return parts.map((part, i) => [part, texts[i]]);
}

// More lines than these are one area, and take a browser many seconds.
const mostLines = 10000;

// About so many of the points, by no step that a grid could have as well.
function someOf(points, most) {
  const share = most / points.length * 2 ** 32;
  return points.length <= most ? points : points.filter((point) => (Math.imul(point, 0x9e3779b9) >>> 0) < share);
}

class ParallelView {
  constructor(points, changed) {
    this.points = points;
    this.changed = changed;
    this.chosen = new Set(points.varying.slice(0, 4));
    this.colourBy = points.varying[0].name;
    this.brushes = new Map();  // by name of the axis: [low, high], as parts of its length
    this.place = element('div', {class: 'plot', tabindex: 0, role: 'group', 'aria-label': 'Parallel view: a line for each point'});
    this.bar = element('div', {class: 'bar'});
    this.status = element('span', {class: 'note', role: 'status'});
    this.element = element('figure', {}, this.bar, this.place, element('figcaption', {},
      'Each line is a point of the sweep, from its parameters to the means of its runs. Drag along an axis to keep only the lines ' +
      'that pass there, and the rows of the table; double-click the axis, or press Escape, to take that back. A point without a value on ' +
      'an axis crosses it dashed; one with a value on one axis alone is a square there.' +
      (points.count > mostLines ? ` Of more than ${formatCount(mostLines)} lines about so many are drawn; all are counted.` : '')));
    this.setAxes();
    whenNear(this.place, () => this.begin());
  }

  setAxes() {
    const {points} = this;
    const parameters = points.parameters.filter((parameter) => parameter.texts.length > 1).map((parameter) => {
      const raw = (point) => parameter.logarithmic ? Math.log(parameter.numberAt(point)) : parameter.numeric ? parameter.numberAt(point) : parameter.at(point);
      const values = parameter.values.map((value) => parameter.logarithmic ? Math.log(value) : value);
      const [low, high] = extent(values);
      const kept = values.length <= 12 ? values.map((value, i) => i) : [0, values.length - 1];
      return {name: parameter.name, partOf: (point) => high > low ? (raw(point) - low) / (high - low) : .5,
        words: !parameter.numeric, ticks: kept.map((i) => [high > low ? (values[i] - low) / (high - low) : .5, parameter.texts[i]])};
    });
    const figures = [...this.chosen].map((figure) => {
      const means = Array.from({length: points.count}, (none, point) => figure.at(point).mean);
      const known = means.filter((mean) => mean !== null);
      const [low, high] = extent(known);
      return {name: figure.name, figure: true, partOf: (point) => means[point] === null ? null : high > low ? (means[point] - low) / (high - low) : .5,
        ticks: evenTicks(low, high, figure.unit)};
    });
    this.axes = [...parameters, ...figures];
    for (const name of this.brushes.keys()) if (!this.axes.some((axis) => axis.name === name)) this.brushes.delete(name);
  }

  keeps(point) {
    return this.axes.every((axis) => {
      const brush = this.brushes.get(axis.name);
      const part = brush && axis.partOf(point);
      return !brush || (part !== null && part >= brush[0] - 1e-9 && part <= brush[1] + 1e-9);
    });
  }

  controls() {
    const {points} = this;
    const figures = element('details', {class: 'bar'}, element('summary', {}, 'Figures'), points.varying.map((figure) =>
      element('label', {}, element('input', {type: 'checkbox', checked: this.chosen.has(figure), onchange: (event) => {
        if (event.target.checked) this.chosen.add(figure); else this.chosen.delete(figure);
        this.setAxes();
        this.update();
      }}), figure.name)));
    this.bar.replaceChildren(choice('Colour by', figureChoices(points), this.colourBy, (value) => { this.colourBy = value; this.drawing.redraw(); }),
      element('button', {onclick: () => this.clear()}, 'Keep all'), pngButton('parallel', () => this.drawing.canvas), this.status, figures);
  }

  begin() {
    this.drawing = canvasIn(this.place, () => 340, (context, width, height) => this.draw(context, width, height), 'Parallel view');
    this.controls();
    this.update();
    const {canvas} = this.drawing;
    let pressed = null;
    // Near the ends of an axis its end is meant.
    const partAt = (event) => {
      const part = 1 - (event.clientY - canvas.getBoundingClientRect().top - this.top) / (this.bottom - this.top);
      return part < 0.03 ? 0 : part > 0.97 ? 1 : part;
    };
    canvas.addEventListener('pointerdown', (event) => {
      const axis = this.axisAt(event.clientX - canvas.getBoundingClientRect().left);
      if (!axis || event.button !== 0) return;
      pressed = {axis, part: partAt(event)};
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!pressed) {
        const box = canvas.getBoundingClientRect();
        return tip.show(this.textAt(event.clientX - box.left, event.clientY - box.top), event.clientX, event.clientY);
      }
      this.brush(pressed.axis.name, pressed.part, partAt(event));
    });
    canvas.addEventListener('pointerleave', () => tip.hide());
    canvas.addEventListener('pointerup', () => { pressed = null; });
    canvas.addEventListener('dblclick', (event) => {
      const axis = this.axisAt(event.clientX - canvas.getBoundingClientRect().left);
      if (axis) { this.brushes.delete(axis.name); this.update(); }
    });
    this.place.addEventListener('keydown', (event) => { if (event.key === 'Escape') this.clear(); });
  }

  brush(name, from, to) {
    if (Math.abs(to - from) < 0.01) this.brushes.delete(name);
    else this.brushes.set(name, [Math.min(from, to), Math.max(from, to)]);
    this.update();
  }
  clear() { this.brushes.clear(); this.update(); }
  update() {
    const kept = Array.from({length: this.points.count}, (none, point) => point).filter((point) => this.keeps(point)).length;
    this.status.textContent = kept === this.points.count ? `${formatCount(kept)} points` : `${formatCount(kept)} of ${formatCount(this.points.count)} points`;
    this.drawing?.redraw();
    this.changed();
  }

  xOf(i, width) { return 60 + i * (width - 130) / Math.max(1, this.axes.length - 1); }
  // The whole name of an axis, above it, or a word beside it.
  textAt(x, y) {
    const {clientWidth: width} = this.drawing.canvas;
    const room = this.xOf(1, width) - this.xOf(0, width);
    if (y < 36) {
      const near = this.axes.map((axis, i) => ({axis, i, off: Math.abs(this.xOf(i, width) - x)})).filter(({i}) => (y < 18) === (i % 2 === 1));
      return near.sort((a, b) => a.off - b.off)[0]?.axis.name ?? '';
    }
    const axis = this.axes.find((one, i) => x >= this.xOf(i, width) && x < this.xOf(i, width) + room);
    if (!axis?.words) return '';
    return axis.ticks.find(([part]) => Math.abs(this.bottom - part * (this.bottom - this.top) - y) < 8)?.[1] ?? '';
  }

  axisAt(x) {
    const {clientWidth: width} = this.drawing.canvas;
    return this.axes.find((axis, i) => Math.abs(this.xOf(i, width) - x) < 22);
  }

  draw(context, width, height) {
    [this.top, this.bottom] = [44, height - 14];
    const y = (part) => this.bottom - part * (this.bottom - this.top);
    const colour = this.points.figureNamed(this.colourBy);
    const means = Array.from({length: this.points.count}, (none, point) => colour.at(point).mean);
    const known = means.filter((mean) => mean !== null);
    const [low, high] = extent(known);
    const dense = Math.max(0.15, Math.min(0.9, 60 / this.points.count));
    const line = (point, stroke, alpha) => {
      context.globalAlpha = alpha;
      context.strokeStyle = stroke;
      const places = [];  // of the axes on which the point has a value
      this.axes.forEach((axis, i) => {
        const part = axis.partOf(point);
        if (part !== null) places.push({x: this.xOf(i, width), y: y(part), i});
      });
      if (places.length === 1) return context.strokeRect(places[0].x - 3, places[0].y - 3, 6, 6);
      const isGap = (k) => k > 0 && places[k].i - places[k - 1].i > 1;
      const trace = (gaps) => {
        context.beginPath();
        places.forEach((place, k) => { if (k > 0 && isGap(k) === gaps) context.lineTo(place.x, place.y); else context.moveTo(place.x, place.y); });
        context.stroke();
      };
      trace(false);
      if (!places.some((place, k) => isGap(k))) return;
      context.setLineDash([2, 4]);
      trace(true);
      context.setLineDash([]);
    };
    context.lineWidth = 1.4;
    const [kept, others] = [[], []];
    for (let point = 0; point < this.points.count; ++point) (this.keeps(point) ? kept : others).push(point);
    for (const point of someOf(others, mostLines)) line(point, colours.line, 0.35);
    for (const point of someOf(kept, mostLines))
      line(point, means[point] === null ? colours.soft : rgb(mapColour(high > low ? 0.92 * (means[point] - low) / (high - low) : .5)), dense);
    context.globalAlpha = 1;
    this.axes.forEach((axis, i) => this.drawAxis(context, axis, this.xOf(i, width), y, (width - 130) / Math.max(1, this.axes.length - 1), i));
  }

  drawAxis(context, axis, x, y, room, i) {
    context.strokeStyle = colours.soft;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, y(0));
    context.lineTo(x, y(1));
    context.stroke();
    const brush = this.brushes.get(axis.name);
    if (brush) {
      context.fillStyle = colours.accent;
      context.globalAlpha = 0.35;
      context.fillRect(x - 6, y(brush[1]), 12, y(brush[0]) - y(brush[1]));
      context.globalAlpha = 1;
    }
    context.font = chartFont(11);
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    // Numbers are short, and a part of one would be another.
    const texts = axis.words ? axis.ticks.map(([part, text]) => [part, shorten(context, text, Math.max(24, (i === this.axes.length - 1 ? 70 : room) - 12))]) : axis.ticks;
    for (const [part, text] of texts) {
      const width = context.measureText(text).width;
      context.fillStyle = colours.paper;
      context.globalAlpha = 0.75;
      context.fillRect(x + 4, y(part) - 7, width + 4, 14);
      context.globalAlpha = 1;
      context.fillStyle = colours.soft;
      context.fillText(text, x + 6, y(part));
    }
    context.fillStyle = colours.ink;
    context.font = chartFont(11.5);
    context.textAlign = i === 0 ? 'left' : i === this.axes.length - 1 ? 'right' : 'center';
    const edge = i === 0 ? x - 50 : i === this.axes.length - 1 ? x + 66 : x;
    // Of two names in a row none reaches into the other.
    const long = edge === x ? room * 1.5 : Math.min(room * 1.5, room + 42);
    context.fillText(shorten(context, axis.name, Math.max(60, long)), edge, i % 2 ? 10 : 26);
  }
}
