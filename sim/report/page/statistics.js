// Means of points that are put together, and how well they are known.

// Of independent samples that are given as {n, mean, sd}.
function pooled(parts) {
  let [n, mean, squares] = [0, 0, 0];
  for (const part of parts) {
    if (part.n === 0 || part.mean === null) continue;
    const both = n + part.n;
    const delta = part.mean - mean;
    squares += part.sd ** 2 * (part.n - 1) + delta ** 2 * n * part.n / both;
    mean += delta * part.n / both;
    n = both;
  }
  return {n, mean: n ? mean : null, sd: n > 1 ? Math.sqrt(squares / (n - 1)) : 0};
}

// [least, most] of values, as many as there are (as arguments of Math.min they would have to fit on the stack).
function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return [low, high];
}

// Half the confidence interval of the mean (95 %), by Student's t; null for fewer than two samples.
function halfWidth({n, sd}, student) {
  if (n < 2) return null;
  return student[Math.min(n - 1, student.length) - 1] * sd / Math.sqrt(n);
}
