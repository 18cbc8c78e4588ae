// Amounts over time: read from the data's two forms, asked for their mean and their most within a window.

// A lane holds from times[i] on the level levels[i]; `sums` are the integrals up to there.
function readLane(json, timeline) {
  const times = json.t ? [0, ...json.t] : json.mean.map((level, i) => i * timeline.bin);
  const levels = json.t ? [0, ...json.v] : json.mean;
  const sums = new Float64Array(times.length);
  let peak = 0;
  for (let i = 0; i < times.length; ++i) {
    if (i > 0) sums[i] = sums[i - 1] + levels[i - 1] * (times[i] - times[i - 1]);
    peak = Math.max(peak, levels[i]);
  }
  return {name: json.name, times, levels, sums, peak, exact: Boolean(json.t)};
}

// The last place whose time is not later.
function placeIn(lane, time) {
  let low = 0;
  let high = lane.times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (lane.times[middle] <= time) low = middle; else high = middle - 1;
  }
  return low;
}

const levelAt = (lane, time) => lane.levels[placeIn(lane, time)];

function integralUntil(lane, time) {
  const place = placeIn(lane, time);
  return lane.sums[place] + lane.levels[place] * (time - lane.times[place]);
}

const meanIn = (lane, from, to) => to > from ? (integralUntil(lane, to) - integralUntil(lane, from)) / (to - from) : levelAt(lane, from);

function mostIn(lane, from, to) {
  let most = levelAt(lane, from);
  for (let i = placeIn(lane, from) + 1; i < lane.times.length && lane.times[i] < to; ++i) most = Math.max(most, lane.levels[i]);
  return most;
}
