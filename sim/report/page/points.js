// The points of a sweep: values of parameters, figures at points, and what is asked of them.

class Points {
  constructor(data) {
    this.data = data;
    this.count = data.points.runs.length;
    this.student = data.student;
    this.drawn = ['random', 'latin-hypercube'].includes(data.manifest.design);
    this.scales = scalesOf(data.manifest.sweep);
    this.parameters = data.parameters.map((json) => this.readParameter(json));
    this.figures = data.figures.map((json) => this.readFigure(json));
    this.varying = this.figures.filter((figure) => !figure.constant);
    for (const [name, values] of [['runs that failed', data.points.failed], ['runs not as expected', data.points.unexpected]]) {
      if (!values.some((value) => value > 0)) continue;
      const parts = values.map((value, i) => value / data.points.runs[i]);
      this.varying.push({name, unit: 'ratio', most: 1, ofPoints: true, at: (point) => ({n: data.points.runs[point], mean: parts[point], sd: 0, certain: true})});
    }
    // What is the same wherever it is known is looked at last.
    const differs = new Map(this.varying.map((figure) => [figure, this.differs(figure)]));
    this.varying.sort((a, b) => differs.get(b) - differs.get(a));
  }

  differs({at}) {
    let first = null;
    for (let point = 0; point < this.count; ++point) {
      const {mean, sd} = at(point);
      if (mean === null) continue;
      if (sd > 0 || (first !== null && mean !== first)) return true;
      first = mean;
    }
    return false;
  }

  // Values in the order of their numbers, or as they come.
  readParameter({name, text, number}) {
    const numeric = number.every((value) => value !== null) && new Set(number).size === new Set(text).size;
    const texts = [...new Set(text)];
    const numberOf = new Map(text.map((value, i) => [value, number[i]]));
    if (numeric) texts.sort((a, b) => numberOf.get(a) - numberOf.get(b));
    const placeOf = new Map(texts.map((value, i) => [value, i]));
    const values = texts.map((value, i) => numeric ? numberOf.get(value) : i);
    return {name, numeric, texts, values, at: (point) => placeOf.get(text[point]), textAt: (point) => text[point],
      numberAt: (point) => numeric ? number[point] : null,
      logarithmic: numeric && values[0] > 0 && (this.scales.get(name) === 'logarithmic' || (!this.scales.has(name) && looksLogarithmic(values)))};
  }

  // The same, with neighbouring values of drawn parameters in groups: nearly every point has a value of its own there.
  inGroups() {
    const most = Math.max(3, Math.min(12, Math.round(0.8 * Math.sqrt(this.count))));
    return this.drawn ? Object.assign(Object.create(Points.prototype), this,
      {parameters: this.parameters.map((parameter) => parameter.numeric && parameter.texts.length > most ? grouped(parameter, most) : parameter)}) : this;
  }

  readFigure(json) {
    if (!json.n) return {...json, constant: true, at: () => ({n: 0, mean: json.constant, sd: 0})};
    return {...json, at: (point) => ({n: json.n[point], mean: json.mean[point], sd: json.sd[point]})};
  }

  // Points that have these values: [[parameter, place of the value]].
  where(fixed) {
    const all = [];
    for (let point = 0; point < this.count; ++point)
      if (fixed.every(([parameter, place]) => parameter.at(point) === place)) all.push(point);
    return all;
  }

  figureNamed(name) { return this.varying.find((figure) => figure.name === name) ?? this.varying[0]; }
  parameterNamed(name) { return this.parameters.find((parameter) => parameter.name === name); }

  // Points by the place of their value, those with the same put together.
  pooledBy(parameter, figure, points) {
    const groups = new Map();
    for (const point of points) {
      const place = parameter.at(point);
      if (!groups.has(place)) groups.set(place, []);
      groups.get(place).push(figure.at(point));
    }
    return [...groups].sort((a, b) => a[0] - b[0]).map(([place, parts]) => {
      const together = pooled(parts);
      return {place, points: parts.length, ...together, half: parts.some((part) => part.certain) ? null : halfWidth(together, this.student)};
    }).filter((row) => row.n > 0);
  }
}

// A parameter whose values are `most` equal parts of what there is, without those that nothing is in.
function grouped(parameter, most) {
  const [scale, back] = parameter.logarithmic ? [Math.log, Math.exp] : [(x) => x, (x) => x];
  const [low, high] = [scale(parameter.values[0]), scale(parameter.values.at(-1))];
  const partOf = (value) => Math.min(most - 1, Math.floor((scale(value) - low) / (high - low) * most));
  const members = Array.from({length: most}, () => []);
  parameter.values.forEach((value, place) => members[partOf(value)].push(place));
  const parts = members.map((places, part) => ({places, middle: back(low + (part + .5) * (high - low) / most)})).filter(({places}) => places.length);
  const groupOf = new Map(parts.flatMap(({places}, group) => places.map((place) => [place, group])));
  const nearest = ({places, middle}) => places.reduce((best, place) =>
    Math.abs(parameter.values[place] - middle) < Math.abs(parameter.values[best] - middle) ? place : best);
  return {...parameter, groups: parts.length, at: (point) => groupOf.get(parameter.at(point)), values: parts.map(({middle}) => middle),
    texts: parts.map(({places}) => [...new Set([places[0], places.at(-1)])].map((place) => parameter.texts[place]).join(' to ')),
    shortTexts: parts.map((part) => `~ ${parameter.texts[nearest(part)]}`)};
}

// By axis, of those that are ranges: linear or logarithmic.
function scalesOf(sweep) {
  try {
    return new Map((JSON.parse(sweep).axes ?? []).filter((axis) => axis.range).map((axis) => [axis.name, axis.range.scale]));
  } catch {
    return new Map();  // a sweep that is too long to be here
  }
}

// Steps that grow with the values: 64, 128, 256 ...
function looksLogarithmic(values) {
  if (values.length < 3 || !(values[0] > 0)) return false;
  const ratios = values.slice(1).map((value, i) => value / values[i]);
  const differences = values.slice(1).map((value, i) => value - values[i]);
  const spread = (list) => {
    const [least, most] = extent(list);
    return most / least;
  };
  return values.at(-1) / values[0] >= 8 && spread(ratios) < spread(differences);
}

// What a filter holds for each parameter that is not an axis: one of its values, or all of them together. `chosen` is a Map, as is
// whatever has names from the data: one may be "constructor", which every object has.
const together = 'all';
function parameterFilters(points, axes, chosen, onchange) {
  return points.parameters.filter((parameter) => !axes.includes(parameter.name) && parameter.texts.length > 1).map((parameter) => {
    if (!chosen.has(parameter.name)) chosen.set(parameter.name, points.drawn || parameter.texts.length > 40 ? together : '0');
    return choice(parameter.name, [...parameter.texts.map((text, i) => [String(i), text]), [together, 'all, put together']],
      chosen.get(parameter.name), (value) => { chosen.set(parameter.name, value); onchange(); });
  });
}
const fixedBy = (points, axes, chosen) => points.parameters
  .filter((parameter) => !axes.includes(parameter.name) && parameter.texts.length > 1 && chosen.get(parameter.name) !== together)
  .map((parameter) => [parameter, Number(chosen.get(parameter.name))]);
const groupedText = (parameters) => parameters.filter((parameter) => parameter?.groups)
  .map((parameter) => ` Values of ${parameter.name} are put into ${counted(parameter.groups, 'group')}.`).join('');
const fixedText = (fixed) => fixed.map(([parameter, place]) => `${parameter.name} ${parameter.texts[place]}`).join(', ');

const figureChoices = (points) => points.varying.map((figure) => [figure.name, figure.name]);
const parameterChoices = (points) => points.parameters.map((parameter) => [parameter.name, parameter.name]);
