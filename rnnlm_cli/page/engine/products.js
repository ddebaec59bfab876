"use strict";

// Matrix products, where nearly all of the time goes.
//
// A matrix lies in memory row by row: element (o, k) of a matrix with `inSize` columns is
// weight[o * inSize + k]. Inputs and outputs of several rows of a text lie one after the other.

/**
 * Compute y = W x + b for one or more inputs.
 *
 *     y[r][o] = bias[o] + sum over k of weight[o][k] * x[r][k]
 *
 * weight: outSize x inSize, Float32Array. x, y: Float64Array.
 * numRows: the number of inputs; 1, or a multiple of 4.
 *
 * A number costs more to load than to multiply. So several sums are computed at a time: for one
 * input, four outputs share each x that is loaded; for more, a block of 4 inputs x 2 outputs
 * shares each x and each weight.
 */
function multiply(weight, bias, x, y, numRows) {
  if (numRows === 1) multiplyOne(weight, bias, x, y);
  else multiplyMany(weight, bias, x, y, numRows);
}

function multiplyOne(weight, bias, x, y) {
  const outSize = bias.length;
  const inSize = weight.length / outSize;
  let o = 0;
  for (; o + 4 <= outSize; o += 4) {
    const at0 = o * inSize, at1 = at0 + inSize, at2 = at1 + inSize, at3 = at2 + inSize;
    let sum0 = bias[o], sum1 = bias[o + 1], sum2 = bias[o + 2], sum3 = bias[o + 3];
    for (let k = 0; k < inSize; k++) {
      const xk = x[k];
      sum0 += weight[at0 + k] * xk;
      sum1 += weight[at1 + k] * xk;
      sum2 += weight[at2 + k] * xk;
      sum3 += weight[at3 + k] * xk;
    }
    y[o] = sum0; y[o + 1] = sum1; y[o + 2] = sum2; y[o + 3] = sum3;
  }
  for (; o < outSize; o++) y[o] = sumProducts(weight, bias, x, o, 0, inSize);
}

function multiplyMany(weight, bias, x, y, numRows) {
  const outSize = bias.length;
  const inSize = weight.length / outSize;
  let o = 0;
  for (; o + 2 <= outSize; o += 2) {
    for (let r = 0; r < numRows; r += 4) multiplyBlock(weight, bias, x, y, o, r, outSize, inSize);
  }
  if (o === outSize) return;
  for (let r = 0; r < numRows; r++) y[r * outSize + o] = sumProducts(weight, bias, x, o, r, inSize);
}

/** Compute outputs o and o + 1 of inputs r to r + 3. */
function multiplyBlock(weight, bias, x, y, o, r, outSize, inSize) {
  const at0 = o * inSize, at1 = at0 + inSize;
  const from0 = r * inSize, from1 = from0 + inSize, from2 = from1 + inSize, from3 = from2 + inSize;
  let a0 = bias[o], a1 = a0, a2 = a0, a3 = a0;
  let b0 = bias[o + 1], b1 = b0, b2 = b0, b3 = b0;
  for (let k = 0; k < inSize; k++) {
    const wa = weight[at0 + k], wb = weight[at1 + k];
    const x0 = x[from0 + k], x1 = x[from1 + k], x2 = x[from2 + k], x3 = x[from3 + k];
    a0 += wa * x0; a1 += wa * x1; a2 += wa * x2; a3 += wa * x3;
    b0 += wb * x0; b1 += wb * x1; b2 += wb * x2; b3 += wb * x3;
  }
  let to = r * outSize + o;
  y[to] = a0; y[to + 1] = b0;
  to += outSize;
  y[to] = a1; y[to + 1] = b1;
  to += outSize;
  y[to] = a2; y[to + 1] = b2;
  to += outSize;
  y[to] = a3; y[to + 1] = b3;
}

/** Return output o of input r. */
function sumProducts(weight, bias, x, o, r, inSize) {
  let sum = bias[o];
  for (let k = 0; k < inSize; k++) sum += weight[o * inSize + k] * x[r * inSize + k];
  return sum;
}
