"use strict";

// The network: embedding -> recurrent layers -> logits. See rnnlm_cli/nn/network.py.

/**
 * Make the network of a page from its configuration and weights.
 *
 * Returns {config, cell, layers, outputWeight, outputBias, readInput, numParameters}, where
 * readInput(token) is W_i x + b_i of the first layer for the token x.
 */
function makeNetwork({config, weights}) {
  const arrays = {};
  let numParameters = 0;
  for (const [name, array] of Object.entries(weights.arrays)) {
    arrays[name] = decodeArray(name, array);
    numParameters += arrays[name].length;
  }
  const layers = [];
  for (let k = 0; k < config.num_layers; k++) {
    const find = name => arrays[`layers.${k}.${name}`];
    layers.push({
      weightIh: find("weight_ih"), weightHh: find("weight_hh"),
      biasIh: find("bias_ih"), biasHh: find("bias_hh"),
    });
  }
  return {
    config, layers, numParameters,
    cell: CELLS[config.cell],
    outputWeight: config.tied ? arrays.embedding : arrays.output_weight,
    outputBias: arrays.output_bias,
    readInput: makeInputTable(config, arrays.embedding, layers[0]),
  };
}

/**
 * Return a function that gives W_i x + b_i of the first layer for a token.
 *
 * x is the token's row of the embedding, so the product depends on the token alone: it is
 * computed when the token comes for the first time, and kept.
 */
function makeInputTable(config, embedding, layer) {
  const size = config.embedding_size;
  const known = new Map();
  return token => {
    if (!known.has(token)) {
      const isUntrained = token === UNKNOWN_ID && !config.unknown_trained;
      const x = isUntrained ? averageRows(embedding, size)
        : Float64Array.from(embedding.subarray(token * size, (token + 1) * size));
      const gates = new Float64Array(layer.biasIh.length);
      multiply(layer.weightIh, layer.biasIh, x, gates, 1);
      known.set(token, Float32Array.from(gates));
    }
    return known.get(token);
  };
}

/** Return the mean of all embeddings but that of <unk>, which stands for an untrained <unk>. */
function averageRows(embedding, size) {
  const mean = new Float64Array(size);
  for (let i = size; i < embedding.length; i++) mean[i % size] += embedding[i];
  return mean.map(sum => sum / (embedding.length / size - 1));
}

/**
 * Return the zero state of some rows of text that are read side by side, and room for a step.
 *
 * For each layer: h and c (the state), u (what is shown of each unit), gx and gh (the gates).
 */
function makeState(network, numRows) {
  const size = network.config.hidden_size;
  const make = length => new Float64Array(numRows * length);
  return {
    numRows,
    layers: network.layers.map(layer => ({
      h: make(size), c: make(size), u: make(size),
      gx: make(layer.biasIh.length), gh: make(layer.biasHh.length),
    })),
    logits: make(network.config.vocab_size),
  };
}

/** Set the state of a row to zero. */
function resetRow(network, state, row) {
  const size = network.config.hidden_size;
  for (const {h, c} of state.layers) {
    h.fill(0, row * size, (row + 1) * size);
    c.fill(0, row * size, (row + 1) * size);
  }
}

/** Read one token of each row: every layer makes one step, and reads the h of the layer below. */
function step(network, state, tokens) {
  const size = network.config.hidden_size;
  network.layers.forEach((layer, k) => {
    const {h, c, u, gx, gh} = state.layers[k];
    const gatesSize = layer.biasIh.length;
    if (k === 0) {
      for (let r = 0; r < state.numRows; r++) gx.set(network.readInput(tokens[r]), r * gatesSize);
    } else {
      multiply(layer.weightIh, layer.biasIh, state.layers[k - 1].h, gx, state.numRows);
    }
    multiply(layer.weightHh, layer.biasHh, h, gh, state.numRows);
    for (let r = 0; r < state.numRows; r++) {
      network.cell.step(gx, gh, r * gatesSize, h, c, u, r * size, size);
    }
  });
}

/**
 * Compute the logits of the next token of each row, state.logits.
 *
 * A token has the probability exp(logit) / (sum of exp(logit) over all tokens). Where training had
 * no unknown token, <unk> has the logit -infinity, so the probability 0.
 */
function predict(network, state) {
  const {h} = state.layers[state.layers.length - 1];
  multiply(network.outputWeight, network.outputBias, h, state.logits, state.numRows);
  if (network.config.unknown_trained) return;
  for (let r = 0; r < state.numRows; r++) {
    state.logits[r * network.config.vocab_size + UNKNOWN_ID] = -Infinity;
  }
}

/** Return ln(sum of exp(logit)) of one row: ln p of a token is its logit minus this. */
function sumLogits(logits, begin, end) {
  let largest = -Infinity;
  for (let v = begin; v < end; v++) if (logits[v] > largest) largest = logits[v];
  let sum = 0; // with the largest logit taken away, so that exp does not overflow
  for (let v = begin; v < end; v++) sum += Math.exp(logits[v] - largest);
  return largest + Math.log(sum);
}

/**
 * Find the largest logits of one row, the largest first; of equal ones the first.
 *
 * Returns the token ids, `count` of them or as many as there are tokens.
 */
function findLargest(logits, begin, end, count) {
  const ids = [];
  let smallest = -Infinity; // of those found, once there are enough
  for (let v = begin; v < end; v++) {
    const logit = logits[v];
    if (ids.length === count && !(logit > smallest)) continue;
    let place = ids.length;
    while (place > 0 && logits[begin + ids[place - 1]] < logit) place--;
    ids.splice(place, 0, v - begin);
    if (ids.length > count) ids.pop();
    smallest = logits[begin + ids[ids.length - 1]];
  }
  return ids;
}

/** Return the likeliest next tokens of the first row with their probabilities: [{id, p}]. */
function listBest(network, state, count) {
  const size = network.config.vocab_size;
  const total = sumLogits(state.logits, 0, size);
  return findLargest(state.logits, 0, size, count)
    .map(id => ({id, p: Math.exp(state.logits[id] - total)}))
    .filter(({p}) => p > 0);
}

/**
 * Read one token with a state of one row.
 *
 * A text is predicted from the zero state: the first token that is read is the boundary. If every
 * line is a sentence, the state becomes zero again at each boundary.
 */
function readToken(network, state, token, isSentences) {
  if (isSentences && token === BOUNDARY_ID) resetRow(network, state, 0);
  step(network, state, [token]);
}
