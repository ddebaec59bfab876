"use strict";

// Text -> token ids, and back: see rnnlm_cli/text/tokenizers.py and vocabulary.py.
//
//     char   every character (code point) is a token
//     byte   every byte of the UTF-8 text is a token
//     word   the text between white space is a token; lines are split at "\n" only
//     bpe    bytes, and tokens joined from pairs of them (bpe.js)

const UNKNOWN_ID = 0;
const BOUNDARY_ID = 1; // the newline
const WORDS = new RegExp(`[${WHITE_SPACE}]*?(?:\\n|[^${WHITE_SPACE}]+)`, "guy");
const WORD = new RegExp(`[^${WHITE_SPACE}]+`, "u");
const ENDS_WITH_SPACE = new RegExp(`[${WHITE_SPACE}]$`, "u");

/**
 * Return the tokenizer of a vocabulary: {tokens, encode, strip, makeDecoder}.
 *
 * encode(text) returns {ids, pieces}: the token ids (Int32Array), and the part of the text that
 * each of them stands for. strip(piece) returns a piece without the white space that is no part of
 * its token. makeDecoder(prompt) returns a decoder of the ids after a prompt.
 */
function makeTokenizer({level, tokens, merges = []}) {
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  idOf.delete(tokens[UNKNOWN_ID]); // a text that spells "<unk>" has no such token
  const find = token => (idOf.has(token) ? idOf.get(token) : UNKNOWN_ID);
  return {
    tokens,
    encode: makeEncoder(level, tokens, merges, find),
    strip: level === "word" ? stripSpace : piece => piece,
    makeDecoder: prompt => (
      level === "word" ? makeWordDecoder(tokens, prompt)
        : level === "char" ? makeCharDecoder(tokens) : makeByteDecoder(tokens)),
  };
}

function makeEncoder(level, tokens, merges, find) {
  if (level === "char") return text => encodeEach(Array.from(text), find, piece => piece);
  if (level === "word") return text => encodeEach(splitWords(text), find, stripSpace);
  const idOfByte = Array.from({length: 256}, (_, byte) => find(decodeUtf8([byte]).text));
  const numBytes = tokens.map(token => encodeUtf8(token).length);
  const encodeIds = level === "byte"
    ? text => encodeUtf8(text).map(byte => idOfByte[byte])
    : makeBpeEncoder(tokens.length, idOfByte, merges, (left, right) => find(
      decodeUtf8(encodeUtf8(tokens[left]).concat(encodeUtf8(tokens[right]))).text));
  return text => {
    const ids = Int32Array.from(encodeIds(text));
    return {ids, pieces: splitByBytes(text, ids, numBytes)};
  };
}

/** Return the ids of pieces; `spell` turns a piece into its token. */
function encodeEach(pieces, find, spell) {
  return {ids: Int32Array.from(pieces, piece => find(spell(piece))), pieces};
}

/** Split a text into words and newlines, each with the white space before it. */
function splitWords(text) {
  const pieces = text.match(WORDS) || [];
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (pieces.length > 0) pieces[pieces.length - 1] += text.slice(size);
  return pieces;
}

/** Return the word of a piece; the newline if there is no word. */
function stripSpace(piece) {
  const found = piece.match(WORD);
  return found === null ? "\n" : found[0];
}

/**
 * Split a text into the characters of each token.
 *
 * A character belongs to the token that has its first byte.
 */
function splitByBytes(text, ids, numBytes) {
  const pieces = [];
  let begin = 0; // of the piece, in the text
  let end = 0; // of the characters that begin inside the tokens so far
  let endByte = 0; // the byte at which the next character begins
  let tokenEnd = 0; // in bytes
  for (const id of ids) {
    tokenEnd += numBytes[id];
    while (endByte < tokenEnd && end < text.length) {
      const point = text.codePointAt(end);
      end += point > 0xffff ? 2 : 1;
      endByte += countBytes(point);
    }
    pieces.push(text.slice(begin, end));
    begin = end;
  }
  return pieces;
}

// Decoders: {feed(id), finish()}. `feed` returns the text that an id completes, and `finish` what
// is left of a character that is not complete.

function makeCharDecoder(tokens) {
  return {feed: id => tokens[id], finish: () => ""};
}

/** Return a decoder that puts one space between words. */
function makeWordDecoder(tokens, prompt) {
  let needsSpace = prompt !== "" && !ENDS_WITH_SPACE.test(prompt);
  const feed = id => {
    const space = needsSpace && id !== BOUNDARY_ID ? " " : "";
    needsSpace = id !== BOUNDARY_ID;
    return space + tokens[id];
  };
  return {feed, finish: () => ""};
}

/** Return a decoder of bytes. Every byte that is not UTF-8 becomes U+FFFD. */
function makeByteDecoder(tokens) {
  let pending = [];
  const decode = (bytes, isFinal) => {
    const {text, rest} = decodeUtf8(pending.concat(bytes), isFinal);
    pending = rest;
    return text.replace(/[\udc80-\udcff]/gu, "\ufffd");
  };
  return {feed: id => decode(encodeUtf8(tokens[id]), false), finish: () => decode([], true)};
}
