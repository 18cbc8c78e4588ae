// Heat maps: a figure over two parameters.

class HeatMap {
  constructor(points) {
    const axes = points.parameters.filter((parameter) => parameter.texts.length > 1);
    this.points = points;
    this.state = {figure: points.varying[0].name, x: axes[0].name, y: axes[1].name, chosen: new Map()};
    this.cursor = null;
    this.place = element('div', {class: 'plot', tabindex: 0, role: 'group', 'aria-label': 'Heat map: arrows move from cell to cell'});
    this.bar = element('div', {class: 'bar'});
    this.caption = element('figcaption');
    this.status = element('span', {class: 'note', role: 'status'});
    this.element = element('figure', {}, this.bar, this.place, this.status, this.caption);
    whenNear(this.place, () => this.begin());
  }

  begin() {
    this.compute();
    this.drawing = canvasIn(this.place, () => this.height(), (context, width, height) => this.draw(context, width, height), 'Heat map');
    this.drawing.canvas.addEventListener('pointermove', (event) => {
      const box = this.drawing.canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      const cell = this.cellAt(x, y);
      tip.show(cell ? this.textAt(cell) : this.axisTextAt(x, y), event.clientX, event.clientY);
    });
    this.drawing.canvas.addEventListener('pointerleave', () => tip.hide());
    this.place.addEventListener('keydown', (event) => this.key(event));
    this.place.addEventListener('blur', () => { this.cursor = null; this.drawing.redraw(); });
  }

  controls() {
    const {points, state} = this;
    const set = (key) => (value) => {
      if (key !== 'figure' && state[key === 'x' ? 'y' : 'x'] === value) state[key === 'x' ? 'y' : 'x'] = state[key];
      state[key] = value;
      this.compute();
      this.drawing.redraw();
    };
    this.bar.replaceChildren(choice('Figure', figureChoices(points), points.figureNamed(state.figure).name, set('figure')),
      choice('across', parameterChoices(points), state.x, set('x')), choice('up', parameterChoices(points), state.y, set('y')),
      ...parameterFilters(points, [state.x, state.y], state.chosen, () => { this.compute(); this.drawing.redraw(); }),
      pngButton('heat-map', () => this.drawing.canvas));
  }

  compute() {
    const {points, state} = this;
    this.controls();
    [this.x, this.y] = [points.parameterNamed(state.x), points.parameterNamed(state.y)];
    this.figure = points.figureNamed(state.figure);
    const fixed = fixedBy(points, [state.x, state.y], state.chosen);
    const parts = this.y.texts.map(() => this.x.texts.map(() => []));
    for (const point of points.where(fixed)) parts[this.y.at(point)][this.x.at(point)].push(this.figure.at(point));
    this.labels = {x: this.x.shortTexts ?? this.x.texts, y: this.y.shortTexts ?? this.y.texts};
    this.widest = extent(this.labels.y.map((text) => text.length))[1] * 6.5;
    this.cells = parts.map((row) => row.map((list) => list.length ? pooled(list) : null));
    const means = this.cells.flat().filter((cell) => cell && cell.mean !== null).map((cell) => cell.mean);
    [this.low, this.high] = extent(means);
    this.logarithmic = this.low > 0 && this.high / this.low > 50;
    this.digits = tickDigits(this.scaleValues([0, .25, .5, .75, 1]), (value, digits) => formatValue(value, this.figure.unit, digits));
    this.caption.textContent = `${this.figure.name} by ${this.x.name} and ${this.y.name}${fixed.length ? `, at ${fixedText(fixed)}` : ''}: ` +
      `means of all runs at a place${this.logarithmic ? '; colours on a logarithmic scale' : ''}.${groupedText([this.x, this.y])}`;
  }

  part(value) {
    if (this.high === this.low) return 0.5;
    return this.logarithmic ? Math.log(value / this.low) / Math.log(this.high / this.low) : (value - this.low) / (this.high - this.low);
  }

  // What the colours at these parts of the scale stand for.
  scaleValues(parts) {
    return parts.map((part) => this.logarithmic ? this.low * (this.high / this.low) ** part : this.low + (this.high - this.low) * part);
  }

  height() { return Math.min(printing ? 380 : 560, Math.max(150, this.y.texts.length * 34 + 60)); }

  frame(width, height) { return {left: Math.min(this.widest + 36, width * .3), top: 8, right: width - Math.min(110, width * .2), bottom: height - 44}; }

  box(column, row, width, height) {
    const frame = this.frame(width, height);
    const [across, up] = [(frame.right - frame.left) / this.x.texts.length, (frame.bottom - frame.top) / this.y.texts.length];
    return [frame.left + column * across, frame.bottom - (row + 1) * up, across, up];
  }

  draw(context, width, height) {
    context.textBaseline = 'middle';
    this.cells.forEach((cells, row) => cells.forEach((cell, column) => this.drawCell(context, cell, this.box(column, row, width, height))));
    if (this.cursor) {
      const [x, y, w, h] = this.box(...this.cursor, width, height);
      context.strokeStyle = colours.bad;
      context.lineWidth = 3;
      context.strokeRect(x + 1, y + 1, w - 2, h - 2);
    }
    this.drawAxes(context, width, height);
    this.drawScale(context, width, height);
  }

  drawCell(context, cell, [x, y, width, height]) {
    if (!cell || cell.mean === null) {
      context.fillStyle = colours.panel;
      context.fillRect(x, y, width - 1, height - 1);
      return;
    }
    const colour = mapColour(this.part(cell.mean));
    context.fillStyle = rgb(colour);
    context.fillRect(x, y, Math.max(1, width - 1), Math.max(1, height - 1));
    if (height < 14 || width < 12) return;  // no digit finds room
    const text = formatValue(cell.mean, this.figure.unit, this.digits);
    context.font = chartFont(11);
    if (context.measureText(text).width > width - 6) return;
    context.fillStyle = inkOn(colour);
    context.textAlign = 'center';
    context.fillText(text, x + width / 2, y + height / 2);
  }

  drawAxes(context, width, height) {
    const frame = this.frame(width, height);
    context.fillStyle = colours.soft;
    context.font = chartFont(11);
    context.textAlign = 'right';
    const everyRow = Math.ceil(this.y.texts.length * 14 / (frame.bottom - frame.top));
    this.labels.y.forEach((text, row) => {
      const [, y, , h] = this.box(0, row, width, height);
      if (row % everyRow === 0) context.fillText(shorten(context, text, frame.left - 26), frame.left - 6, y + h / 2);
    });
    context.textAlign = 'center';
    const widest = extent(this.labels.x.map((text) => context.measureText(text).width))[1] + 8;
    const everyColumn = Math.ceil(this.x.texts.length * Math.min(widest, 120) / (frame.right - frame.left));
    this.labels.x.forEach((text, column) => {
      const [x, , w] = this.box(column, 0, width, height);
      if (column % everyColumn === 0) context.fillText(shorten(context, text, Math.max(24, everyColumn * w - 4)), x + w / 2, frame.bottom + 12);
    });
    context.fillStyle = colours.ink;
    context.font = chartFont(12);
    context.fillText(shorten(context, this.x.name, frame.right - frame.left), (frame.left + frame.right) / 2, height - 10);
    context.save();
    context.translate(9, (frame.top + frame.bottom) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(shorten(context, this.y.name, frame.top + frame.bottom - 4), 0, 0);
    context.restore();
  }

  drawScale(context, width, height) {
    const frame = this.frame(width, height);
    const left = frame.right + 14;
    if (!(this.low <= this.high)) return;  // no cell has a value
    for (let y = frame.top; y < frame.bottom; ++y) {
      context.fillStyle = rgb(mapColour((frame.bottom - y) / (frame.bottom - frame.top)));
      context.fillRect(left, y, 12, 1.5);
    }
    context.fillStyle = colours.soft;
    context.textAlign = 'left';
    context.font = chartFont(11);
    const steps = this.high === this.low ? [.5] : frame.bottom - frame.top > 120 ? [0, .25, .5, .75, 1] : [0, 1];
    this.scaleValues(steps).forEach((value, i) => context.fillText(formatValue(value, this.figure.unit, this.digits), left + 17,
      frame.bottom - steps[i] * (frame.bottom - frame.top - 10) - 5));
  }

  cellAt(x, y) {
    const {clientWidth: width, clientHeight: height} = this.drawing.canvas;
    const frame = this.frame(width, height);
    const column = Math.floor((x - frame.left) / (frame.right - frame.left) * this.x.texts.length);
    const row = Math.floor((frame.bottom - y) / (frame.bottom - frame.top) * this.y.texts.length);
    return this.cells[row]?.[column] !== undefined ? [column, row] : null;
  }

  // Beside the map: what stands there, whole.
  axisTextAt(x, y) {
    const {clientWidth: width, clientHeight: height} = this.drawing.canvas;
    const frame = this.frame(width, height);
    if (x < frame.left) {
      const [, row] = this.cellAt(frame.left + 1, y) ?? [];
      return row === undefined ? '' : x < 18 ? this.y.name : this.y.texts[row];
    }
    const [column] = this.cellAt(x, frame.bottom - 1) ?? [];
    return column === undefined || y < frame.bottom ? '' : y > height - 20 ? this.x.name : this.x.texts[column];
  }

  textAt(place) {
    if (!place) return '';
    const [column, row] = place;
    const cell = this.cells[row][column];
    const where = `${this.x.name} ${this.x.texts[column]}, ${this.y.name} ${this.y.texts[row]}`;
    if (!cell || cell.mean === null) return `${where}: no run`;
    const half = halfWidth(cell, this.points.student);
    return `${where}: ${formatValue(cell.mean, this.figure.unit, Math.max(5, this.digits))}${half ? ` \u00b1 ${formatValue(half, this.figure.unit, 3)}` : ''}, ${counted(cell.n, 'run')}`;
  }

  key(event) {
    const move = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}[event.key];
    if (!move || event.target !== this.place) return;
    event.preventDefault();
    const [column, row] = this.cursor ?? [-move[0], -move[1]];
    this.cursor = [Math.max(0, Math.min(this.x.texts.length - 1, column + move[0])), Math.max(0, Math.min(this.y.texts.length - 1, row + move[1]))];
    this.status.textContent = this.textAt(this.cursor);
    this.drawing.redraw();
  }
}
