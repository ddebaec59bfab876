"use strict";

// Text <-> bytes of UTF-8, as Python reads and writes them. A byte that is not UTF-8 is a lone
// surrogate in a token: byte 0x80 + n is U+DC80 + n (Python's "surrogateescape", PEP 383).

const FIRST_ESCAPE = 0xdc80;
const LAST_ESCAPE = 0xdcff;

// The white space of Python's str.split(). JavaScript's \s has U+FEFF and lacks five of these.
const WHITE_SPACE =
  "\\t-\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** True if the code point stands for one byte that is not UTF-8. */
function isEscape(point) {
  return point >= FIRST_ESCAPE && point <= LAST_ESCAPE;
}

/** Return the number of bytes that a code point takes. */
function countBytes(point) {
  if (point < 0x80 || isEscape(point)) return 1;
  if (point < 0x800) return 2;
  return point < 0x10000 ? 3 : 4;
}

/** Return the bytes of a text, as an array of numbers. */
function encodeUtf8(text) {
  const bytes = [];
  for (const character of text) {
    let point = character.codePointAt(0);
    const size = countBytes(point);
    if (size === 1) {
      bytes.push(isEscape(point) ? point - 0xdc00 : point);
      continue;
    }
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd; // half of a pair: no character
    const mark = [0xc0, 0xe0, 0xf0][size - 2];
    bytes.push(mark | (point >> (6 * (size - 1))));
    for (let rest = size - 2; rest >= 0; rest--) bytes.push(0x80 | ((point >> (6 * rest)) & 0x3f));
  }
  return bytes;
}

/** Return how many bytes a character has that begins with this byte; 0 if none begins with it. */
function readLength(first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/** True if a byte can be the second one of a character: no long forms, no surrogates. */
function isSecondByte(first, second) {
  const lowest = {0xe0: 0xa0, 0xf0: 0x90}[first] || 0x80;
  const highest = {0xed: 0x9f, 0xf4: 0x8f}[first] || 0xbf;
  return second >= lowest && second <= highest;
}

/**
 * Decode bytes of UTF-8.
 *
 * isFinal: if true, a character that is not complete at the end counts as bytes that are not UTF-8.
 * Returns {text, rest}: the text, with bytes that are not UTF-8 as lone surrogates, and the bytes
 *     of a character that is not complete.
 */
function decodeUtf8(bytes, isFinal = true) {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const size = readLength(bytes[at]);
    let good = size > 0 ? 1 : 0;
    while (good > 0 && good < size && at + good < bytes.length) {
      const byte = bytes[at + good];
      const fits = good === 1 ? isSecondByte(bytes[at], byte) : byte >= 0x80 && byte <= 0xbf;
      if (!fits) break;
      good++;
    }
    if (good === size && size > 0) {
      text += String.fromCodePoint(joinBytes(bytes, at, size));
      at += size;
    } else if (!isFinal && good > 0 && at + good === bytes.length) {
      break;
    } else {
      text += String.fromCharCode(0xdc00 + bytes[at]);
      at++;
    }
  }
  return {text, rest: bytes.slice(at)};
}

/** Return the code point that the bytes of one character stand for. */
function joinBytes(bytes, at, size) {
  if (size === 1) return bytes[at];
  let point = bytes[at] & (0xff >> (size + 1));
  for (let i = 1; i < size; i++) point = (point << 6) | (bytes[at + i] & 0x3f);
  return point;
}

/** Return a token as it is shown: a byte that is not UTF-8 as \xNN. */
function spellToken(token) {
  return token.replace(/[\udc80-\udcff]/gu,
    escape => "\\x" + (escape.charCodeAt(0) - 0xdc00).toString(16));
}
