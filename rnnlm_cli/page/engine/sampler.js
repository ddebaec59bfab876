"use strict";

// Drawing the next token: see rnnlm_cli/generate/sampler.py and filters.py. With the same seed and
// the same weights, the tokens are those of "rnnlm generate".

const MASK_64 = (1n << 64n) - 1n;
const PHILOX_MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const PHILOX_INCREMENTS = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];
const NUM_ROUNDS = 10;

/**
 * Return four random numbers of 64 bits: Philox 4x64-10, a counter-based generator (Salmon et al.
 * 2011).
 *
 * counter: which four numbers to return. key: two numbers, of which one is the seed.
 */
function drawPhilox(counter, key) {
  let [x0, x1, x2, x3] = [counter & MASK_64, counter >> 64n, 0n, 0n];
  let [k0, k1] = key;
  for (let round = 0; round < NUM_ROUNDS; round++) {
    const product0 = PHILOX_MULTIPLIERS[0] * x0;
    const product1 = PHILOX_MULTIPLIERS[1] * x2;
    [x0, x1, x2, x3] = [
      (product1 >> 64n) ^ x1 ^ k0, product1 & MASK_64,
      (product0 >> 64n) ^ x3 ^ k1, product0 & MASK_64,
    ];
    k0 = (k0 + PHILOX_INCREMENTS[0]) & MASK_64;
    k1 = (k1 + PHILOX_INCREMENTS[1]) & MASK_64;
  }
  return [x0, x1, x2, x3];
}

/**
 * Return a function that returns a new uniform number from [0, 1) each time.
 *
 * The numbers are those of numpy's generator with the key (seed, stream), which counts from 1:
 * the upper 53 of 64 bits, divided by 2^53.
 */
function makeUniforms(seed, stream = 0) {
  const key = [BigInt(seed), BigInt(stream)];
  let counter = 0n;
  let numbers = [];
  return () => {
    if (numbers.length === 0) numbers = drawPhilox(++counter, key);
    return Number(numbers.shift() >> 11n) * 2 ** -53;
  };
}

/**
 * Draw a token.
 *
 * Tokens outside the smallest set of most probable ones that has probability topP are left out
 * (Holtzman et al. 2020). The others have a probability in proportion to exp(logit / temperature).
 * The token is the one in which a uniform number falls when the probabilities are laid side by
 * side. At temperature 0 it is the most probable one. <unk> is never drawn.
 *
 * logits: of all tokens; is not changed. drawUniform: from makeUniforms.
 */
function drawToken(logits, {temperature, topP}, drawUniform) {
  const allowed = Float64Array.from(logits);
  allowed[UNKNOWN_ID] = -Infinity;
  if (temperature === 0) return findLargest(allowed, 0, allowed.length, 1)[0];
  if (topP < 1) keepNucleus(allowed, topP);
  const largest = allowed.reduce((most, logit) => Math.max(most, logit), -Infinity);
  let sum = 0;
  const sums = allowed.map(logit => (sum += Math.exp((logit - largest) / temperature)));
  const place = drawUniform() * sum;
  return sums.findIndex(each => each > place);
}

/** Set the logits to -infinity outside the fewest most probable tokens with probability topP. */
function keepNucleus(logits, topP) {
  const order = Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a] || a - b);
  const total = sumLogits(logits, 0, logits.length);
  let sum = 0;
  let count = 0;
  while (count < order.length && (count === 0 || sum < topP)) {
    sum += Math.exp(logits[order[count]] - total);
    count++;
  }
  for (const id of order.slice(count)) logits[id] = -Infinity;
}
