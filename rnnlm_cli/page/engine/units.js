"use strict";

// The units over the text analysed last: their values, where they are strongest, and how well each
// follows a feature of the text. See rnnlm_cli/inspect/units.py.
//
// An analysis has `units`, a number for each token and unit (see makeFigures), and `numUnits`, over
// all layers. A unit is counted through all layers here, and by layer and unit in messages.

const NUM_SHUFFLES = 100;
const CHANCE_QUANTILE = 0.95;
const MAX_LISTED_UNITS = 50;
const NUM_DEVIATIONS = 20;
const NUM_PLACES = 30;
const PLACE_DISTANCE = 10; // tokens between two places that are listed
const SHUFFLE_SEED = 1;

/** Return the number of units of all layers. */
function countUnits(network) {
  return network.layers.length * network.config.hidden_size;
}

/** Return the number of a unit, counted through all layers. */
function numberUnit(network, layer, unit) {
  const size = network.config.hidden_size;
  if (!(layer >= 0 && layer < network.layers.length && unit >= 0 && unit < size)) {
    throw new Error(`There is no unit ${unit} in layer ${layer + 1}.`);
  }
  return layer * size + unit;
}

/** Return facts about a unit, with its layer and its number in that layer. */
function placeUnit(network, {index, ...facts}) {
  const size = network.config.hidden_size;
  return {layer: Math.floor(index / size), unit: index % size, ...facts};
}

/** Return the values of one unit as they are stored. */
function readUnit({units, numUnits}, index) {
  const values = new Float64Array(units.length / numUnits);
  for (let t = 0; t < values.length; t++) values[t] = units[t * numUnits + index];
  return values;
}

/** Return the values of one unit from -1 to 1; those without an upper bound by their maximum. */
function readUnitValues(analysis, index) {
  const scale = findMoments(analysis).scales[index];
  return Float32Array.from(readUnit(analysis, index), value => value / scale);
}

/**
 * Return the units whose value at a position deviates most from their mean.
 *
 * Returns [{index, value, deviation}]; the deviation is in standard deviations of the unit.
 */
function findDeviations(analysis, position) {
  const {units, numUnits} = analysis;
  const numTokens = units.length / numUnits;
  if (!(position >= 0 && position < numTokens)) throw new Error(`There is no token ${position}.`);
  const {means, deviations, scales} = findMoments(analysis);
  const found = Array.from(means, (mean, index) => {
    const value = units[position * numUnits + index];
    const deviation = deviations[index] > 0 ? (value - mean) / deviations[index] : 0;
    return {index, value: value / scales[index], deviation};
  });
  found.sort((a, b) => Math.abs(b.deviation) - Math.abs(a.deviation));
  return found.slice(0, NUM_DEVIATIONS);
}

/**
 * Return the mean and the standard deviation of each unit, and the scale that brings its values
 * between -1 and 1. They are computed once for an analysis.
 */
function findMoments(analysis) {
  if (analysis.moments !== undefined) return analysis.moments;
  const {units, numUnits} = analysis;
  const numTokens = units.length / numUnits;
  const means = new Float64Array(numUnits);
  const squares = new Float64Array(numUnits);
  const scales = new Float64Array(numUnits).fill(units instanceof Int8Array ? UNIT_SCALE : 0);
  for (let at = 0; at < units.length; at += numUnits) {
    for (let j = 0; j < numUnits; j++) {
      const value = units[at + j];
      means[j] += value / numTokens;
      squares[j] += value * value / numTokens;
      if (value > scales[j]) scales[j] = value;
    }
  }
  const deviations = squares.map((square, j) => Math.sqrt(Math.max(0, square - means[j] ** 2)));
  analysis.moments = {means, deviations, scales: scales.map(scale => scale || 1)};
  return analysis.moments;
}

/** Return the places where a unit is strongest, the strongest first, no two of them neighbours. */
function findPlaces(values) {
  const order = Array.from(values.keys()).sort(
    (a, b) => Math.abs(values[b]) - Math.abs(values[a]) || a - b);
  const places = [];
  for (const position of order) {
    if (places.length === NUM_PLACES) break;
    if (places.every(other => Math.abs(other.position - position) >= PLACE_DISTANCE)) {
      places.push({position, value: values[position]});
    }
  }
  return places;
}

/**
 * Rank the units by how well they follow each feature of the text.
 *
 * r is the correlation of a unit and a feature over the tokens (Pearson). Of many units, one
 * follows any feature a little by chance. So the feature is shifted along the text, the end going
 * to the beginning, which takes the relation between them away, and the largest |r| of all units
 * is noted; this is done many times. The chance level is the 95th percentile of these maxima.
 *
 * Returns [{name, title, chance, units: [{index, r, above}]}], the largest |r| first. For a feature
 * that is the same everywhere, chance is null and units are empty.
 */
async function rankUnits(analysis, job) {
  const {pieces, units, numUnits} = analysis;
  if (analysis.ranking !== undefined) return analysis.ranking;
  const shifts = drawShifts(pieces.length);
  const features = listFeatures(pieces).map(({name, title, values}) => (
    {name, title, ...measureFeature(values), correlations: [], maxima: shifts.map(() => 0)}));
  const varying = features.filter(({deviation}) => deviation > 0);
  for (let index = 0; index < numUnits; index++) {
    const sums = sumUnit(readUnit({units, numUnits}, index));
    for (const feature of varying) {
      feature.correlations.push(correlate(sums, feature, 0));
      for (let k = 0; k < shifts.length; k++) {
        const r = Math.abs(correlate(sums, feature, shifts[k]));
        if (r > feature.maxima[k]) feature.maxima[k] = r;
      }
      if (job.isDue()) await job.pause(index, numUnits);
    }
  }
  analysis.ranking = features.map(rankFeature);
  return analysis.ranking;
}

/** Return the units of a feature that has been measured, in order, with the chance level. */
function rankFeature({name, title, correlations, maxima, deviation}) {
  if (!(deviation > 0)) return {name, title, chance: null, units: []};
  const chance = findQuantile(maxima, CHANCE_QUANTILE);
  const units = correlations.map((r, index) => ({index, r, above: Math.abs(r) > chance}));
  units.sort((a, b) => Math.abs(b.r) - Math.abs(a.r) || a.index - b.index);
  return {name, title, chance, units: units.slice(0, MAX_LISTED_UNITS)};
}

/** Draw how far the feature is shifted each time: by at least a tenth of the text either way. */
function drawShifts(numTokens) {
  const drawUniform = makeUniforms(SHUFFLE_SEED);
  const least = Math.min(numTokens, Math.max(1, Math.floor(numTokens / 10)));
  const numShifts = Math.max(1, numTokens - 2 * least + 1);
  return Array.from({length: NUM_SHUFFLES}, () => least + Math.floor(drawUniform() * numShifts));
}

/** Return a quantile of some numbers, between two of them in proportion (as numpy does). */
function findQuantile(numbers, quantile) {
  const sorted = Float64Array.from(numbers).sort();
  const place = quantile * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

// A correlation needs the sum of unit * feature over all tokens, for each shift again. Features
// are straight lines over many tokens: inside quotes a feature stays 1, and the position in the
// line grows by 1 with each token. With the running sums of a unit, the sum over a straight piece
// takes two subtractions, however long it is. So a shift takes as much work as the feature has
// pieces.

/** Return the mean, the standard deviation and the straight pieces of a feature. */
function measureFeature(values) {
  const numTokens = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / numTokens;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numTokens;
  const pieces = [];
  for (let begin = 0; begin < numTokens;) {
    const {end, slope} = findStraightEnd(values, begin);
    const isZero = values[begin] === 0 && slope === 0; // then it adds nothing to a sum
    if (!isZero) pieces.push({begin, end, slope});
    begin = end;
  }
  return {
    mean, deviation: Math.sqrt(variance), numTokens,
    begins: Int32Array.from(pieces, ({begin}) => begin),
    ends: Int32Array.from(pieces, ({end}) => end),
    slopes: Float64Array.from(pieces, ({slope}) => slope),
    levels: Float64Array.from(pieces, ({begin}) => values[begin]),
  };
}

/** Return where a straight piece of a feature ends, and by how much it grows with each token. */
function findStraightEnd(values, begin) {
  const slope = values[begin + 1] - values[begin]; // NaN for the last token, which fits nothing
  let end = begin + 1;
  while (end < values.length && values[end] - values[end - 1] === slope) end++;
  const isStraight = end - begin > 2 || slope === 0; // any two tokens lie on a line
  return isStraight ? {end, slope} : {end: begin + 1, slope: 0};
}

/**
 * Return the running sums of a unit over two copies of the text, one after the other.
 *
 * sums[t] is the sum of the values before token t, and weighted[t] the sum of t * value.
 */
function sumUnit(values) {
  const numTokens = values.length;
  const sums = new Float64Array(2 * numTokens + 1);
  const weighted = new Float64Array(2 * numTokens + 1);
  let squares = 0;
  for (let t = 0; t < 2 * numTokens; t++) {
    const value = values[t < numTokens ? t : t - numTokens];
    sums[t + 1] = sums[t] + value;
    weighted[t + 1] = weighted[t] + t * value;
    if (t < numTokens) squares += value * value;
  }
  const mean = sums[numTokens] / numTokens;
  return {sums, weighted, mean, deviation: Math.sqrt(Math.max(0, squares / numTokens - mean ** 2))};
}

/**
 * Return the correlation of a unit and a feature that is shifted.
 *
 *     r = (mean of unit * feature - mean of unit * mean of feature) / (their deviations)
 *
 * A unit that never changes has r = 0.
 */
function correlate({sums, weighted, mean, deviation}, feature, shift) {
  const {begins, ends, levels, slopes, numTokens} = feature;
  if (!(deviation > 0)) return 0;
  let product = 0;
  for (let i = 0; i < levels.length; i++) {
    const begin = begins[i] + shift;
    const end = ends[i] + shift;
    product += (levels[i] - slopes[i] * begin) * (sums[end] - sums[begin]);
    if (slopes[i] !== 0) product += slopes[i] * (weighted[end] - weighted[begin]);
  }
  return (product / numTokens - mean * feature.mean) / (deviation * feature.deviation);
}
