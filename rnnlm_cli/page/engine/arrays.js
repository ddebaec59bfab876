"use strict";

// The arrays of a page: base64 text -> bytes -> numbers. Weights are float16, or int8 with one
// float32 scale for each row of a matrix; biases are float16 or float32.

/** Return the bytes that a base64 text stands for. */
function decodeBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/**
 * Return the number that 16 bits stand for (IEEE 754 binary16).
 *
 * One bit for the sign, five for the exponent and ten for the fraction:
 *
 *     exponent 1 to 30:  (1 + fraction / 1024) * 2^(exponent - 15)
 *     exponent 0:        fraction / 1024 * 2^-14      (subnormal numbers, and zero)
 *     exponent 31:       infinity, or NaN if there is a fraction
 */
function float16ToNumber(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Return the numbers that little-endian float16 bytes stand for, as a Float32Array. */
function decodeFloat16(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({length: bytes.length >> 1},
    (_, i) => float16ToNumber(view.getUint16(2 * i, true)));
}

/** Return the numbers that little-endian float32 bytes stand for, as a Float32Array. */
function decodeFloat32(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({length: bytes.length >> 2}, (_, i) => view.getFloat32(4 * i, true));
}

/** Return the numbers of a matrix of int8 bytes: each one times the scale of its row. */
function decodeInt8(bytes, scales) {
  const rowSize = bytes.length / scales.length;
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from(signed, (value, i) => value * scales[Math.floor(i / rowSize)]);
}

/** Return an array of the page as a Float32Array, after a look at its size. */
function decodeArray(name, array) {
  const bytes = decodeBase64(array.data);
  const size = array.shape.reduce((product, length) => product * length, 1);
  const numbers = array.scales !== undefined
    ? decodeInt8(bytes, decodeFloat32(decodeBase64(array.scales)))
    : bytes.length === 4 * size ? decodeFloat32(bytes) : decodeFloat16(bytes);
  if (numbers.length !== size) {
    throw new Error(`The weights "${name}" of this page are damaged. Make the page again.`);
  }
  return numbers;
}
