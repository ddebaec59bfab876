"use strict";

// The recurrent cells: ONE step of one row, in place. The same equations as rnnlm_cli/nn/cells.py.
//
//     gx   W_i x + b_i, the gates one after the other; those of this row begin at index g
//     gh   W_h h + b_h, the same way
//     h    the hidden states, those of this row from index s to s + size - 1
//     c    the cell states of the LSTM, the same way
//     u    what is shown of each unit: h, or tanh c for the LSTM, the same way
//
// In JavaScript, exp takes most of the time of a step, so tanh is computed from it.

/** Return 1 / (1 + e^-x), a number between 0 and 1. */
function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

/** Return tanh x = (e^2x - 1) / (e^2x + 1), a number between -1 and 1. */
function tanh(x) {
  return 1 - 2 / (1 + Math.exp(2 * x));
}

/**
 * The simple recurrent network (Elman 1990).
 *
 *     h' = tanh(W_i x + b_i + W_h h + b_h)
 */
function stepElmanTanh(gx, gh, g, h, c, u, s, size) {
  for (let j = 0; j < size; j++) u[s + j] = h[s + j] = tanh(gx[g + j] + gh[g + j]);
}

/**
 * The recurrent network with rectified linear units (Le et al. 2015).
 *
 *     h' = max(0, W_i x + b_i + W_h h + b_h)
 */
function stepElmanRelu(gx, gh, g, h, c, u, s, size) {
  for (let j = 0; j < size; j++) u[s + j] = h[s + j] = Math.max(0, gx[g + j] + gh[g + j]);
}

/**
 * The gated recurrent unit (Cho et al. 2014; the variant of torch.nn.GRUCell).
 *
 *     r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
 *     z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
 *     n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))
 *     h' = (1 - z) * n + z * h
 */
function stepGru(gx, gh, g, h, c, u, s, size) {
  for (let j = 0; j < size; j++) {
    const atR = g + j, atZ = atR + size, atN = atZ + size;
    const r = sigmoid(gx[atR] + gh[atR]);
    const z = sigmoid(gx[atZ] + gh[atZ]);
    const n = tanh(gx[atN] + r * gh[atN]);
    u[s + j] = h[s + j] = (1 - z) * n + z * h[s + j];
  }
}

/**
 * Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers 2000).
 *
 *     i  = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
 *     f  = sigmoid(W_if x + b_if + W_hf h + b_hf)
 *     g  = tanh   (W_ig x + b_ig + W_hg h + b_hg)
 *     o  = sigmoid(W_io x + b_io + W_ho h + b_ho)
 *     c' = f * c + i * g
 *     h' = o * tanh(c')
 */
function stepLstm(gx, gh, g, h, c, u, s, size) {
  for (let j = 0; j < size; j++) {
    const atI = g + j, atF = atI + size, atG = atF + size, atO = atG + size;
    const i = sigmoid(gx[atI] + gh[atI]);
    const f = sigmoid(gx[atF] + gh[atF]);
    const candidate = tanh(gx[atG] + gh[atG]);
    const o = sigmoid(gx[atO] + gh[atO]);
    c[s + j] = f * c[s + j] + i * candidate;
    u[s + j] = tanh(c[s + j]);
    h[s + j] = o * u[s + j];
  }
}

const CELLS = {
  elman_tanh: {numGates: 1, step: stepElmanTanh},
  elman_relu: {numGates: 1, step: stepElmanRelu},
  gru: {numGates: 3, step: stepGru},
  lstm: {numGates: 4, step: stepLstm},
};
