"use strict";

// Reading a text: the surprisal and the rank of every token, the likeliest tokens in its place,
// and what every unit does there.
//
// A short text is one row, read from its first token to its last. A long text is cut into rows
// that are read side by side, because a weight that is loaded once then serves several tokens. A
// row begins with some tokens that are read and not scored, so that its state is about what it
// would be after all of the text before. (The lines of a sentence model begin with the zero state
// anyway: rows that begin with lines are exact.)

const MAX_EXACT_TOKENS = 20000;
const NUM_ROWS = 8; // a multiple of 4
const WARM_UP_TOKENS = 256;
const NUM_BEST = 5;
const UNIT_SCALE = 127; // units between -1 and 1 are stored as whole numbers

/**
 * Cut tokens begin to end of a text into rows: [{from, begin, end}].
 *
 * A row is read from token `from` on, and scored from token `begin` on.
 */
function planRows(ids, begin, end, numRows, isSentences) {
  const size = Math.ceil((end - begin) / numRows);
  const starts = Array.from({length: numRows}, (_, r) => Math.min(begin + r * size, end));
  if (isSentences) starts.forEach((start, r) => { starts[r] = findLineStart(ids, start, end); });
  return starts.map((start, r) => ({
    from: isSentences ? start : Math.max(0, start - WARM_UP_TOKENS),
    begin: start, end: r + 1 < numRows ? starts[r + 1] : end,
  }));
}

/** Return where the first line begins at or after `start`; `end` if none does. */
function findLineStart(ids, start, end) {
  while (start > 0 && start < end && ids[start - 1] !== BOUNDARY_ID) start++;
  return start;
}

/**
 * Return room for the figures of some tokens.
 *
 * bits: -log2 p, NaN for a token without a probability. ranks: 1 for the likeliest token, 0 for
 * one without a probability. bestIds, bestP: NUM_BEST for each token, id -1 where there are fewer.
 * units: one number for each unit of each layer, after the token has been read; it is scaled by
 * UNIT_SCALE and rounded, unless the units have no upper bound.
 */
function makeFigures(network, numTokens) {
  const numUnits = network.layers.length * network.config.hidden_size;
  const isBounded = network.config.cell !== "elman_relu";
  const Numbers = isBounded ? Int8Array : Float32Array;
  return {
    bits: new Float32Array(numTokens), ranks: new Int32Array(numTokens),
    bestIds: new Int32Array(NUM_BEST * numTokens).fill(-1),
    bestP: new Float32Array(NUM_BEST * numTokens),
    units: new Numbers(numTokens * numUnits),
  };
}

/**
 * Read tokens begin to end of a text, and return their figures.
 *
 * job: says when it is time to let other messages in, and is told how many tokens are done.
 */
async function readTokens(network, ids, begin, end, numRows, isSentences, job) {
  const rows = planRows(ids, begin, end, numRows, isSentences);
  const state = makeState(network, numRows);
  const figures = makeFigures(network, end - begin);
  const numSteps = 1 + Math.max(...rows.map(row => row.end - row.from));
  const tokens = new Int32Array(numRows);
  for (let t = 0; t < numSteps; t++) {
    rows.forEach((row, r) => {
      const at = row.from + t; // the token that this step predicts; it reads the one before
      tokens[r] = t === 0 || at > row.end ? BOUNDARY_ID : ids[at - 1];
      if (isSentences && tokens[r] === BOUNDARY_ID) resetRow(network, state, r);
    });
    step(network, state, tokens);
    rows.forEach((row, r) => {
      const place = row.from + t - 1 - begin;
      if (place >= row.begin - begin && place < row.end - begin) {
        recordUnits(network, state, r, figures.units, place);
      }
    });
    const isScored = rows.map(row => row.from + t >= row.begin && row.from + t < row.end);
    if (isScored.includes(true)) predict(network, state);
    rows.forEach((row, r) => {
      const at = row.from + t;
      if (isScored[r]) recordPrediction(network, state, r, ids[at], figures, at - begin);
    });
    if (job.isDue()) await job.pause(Math.floor((end - begin) * t / numSteps), end - begin);
  }
  return figures;
}

/** Store what the units of one row of the state do after the token that it has just read. */
function recordUnits(network, state, row, units, place) {
  const size = network.config.hidden_size;
  const isBounded = units instanceof Int8Array;
  let to = place * network.layers.length * size;
  for (const {u} of state.layers) {
    const from = row * size;
    for (let j = 0; j < size; j++) {
      units[to + j] = isBounded ? Math.round(UNIT_SCALE * u[from + j]) : u[from + j];
    }
    to += size;
  }
}

/** Store the figures of a token that one row of the state has just predicted. */
function recordPrediction(network, state, row, token, figures, place) {
  const {logits} = state;
  const begin = row * network.config.vocab_size;
  const end = begin + network.config.vocab_size;
  const total = sumLogits(logits, begin, end);
  const logit = logits[begin + token];
  figures.bits[place] = logit === -Infinity ? NaN : (total - logit) / Math.LN2;
  figures.ranks[place] = logit === -Infinity ? 0 : 1 + countAbove(logits, begin, end, logit);
  findLargest(logits, begin, end, NUM_BEST).forEach((id, i) => {
    const p = Math.exp(logits[begin + id] - total);
    if (p > 0) figures.bestIds[NUM_BEST * place + i] = id;
    figures.bestP[NUM_BEST * place + i] = p;
  });
}

/** Count the tokens that are more likely than one with this logit. */
function countAbove(logits, begin, end, logit) {
  let count = 0;
  for (let v = begin; v < end; v++) if (logits[v] > logit) count++;
  return count;
}

/** Join the figures of parts of a text that follow each other. */
function joinFigures(parts) {
  if (parts.length === 1) return parts[0];
  const joined = {};
  for (const name of Object.keys(parts[0])) {
    const arrays = parts.map(part => part[name]);
    const size = arrays.reduce((sum, array) => sum + array.length, 0);
    joined[name] = new arrays[0].constructor(size);
    let at = 0;
    for (const array of arrays) {
      joined[name].set(array, at);
      at += array.length;
    }
  }
  return joined;
}
