"use strict";

// Byte pair encoding (Sennrich et al. 2016) over bytes: see rnnlm_cli/text/bpe.py.
//
// The text is split at every newline, and then by the rule of GPT-2 into pieces: words with the
// space before them, numbers, punctuation, other white space. In each piece, the pair of
// neighbours that was learned first is joined, then the one that was learned first among the
// pairs that are there now, and so on.

// White space of Unicode. \x1c to \x1f are white space for str.split() alone.
const UNICODE_SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const GPT2_PIECE = new RegExp(
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+"
  + `| ?[^${UNICODE_SPACE}\\p{L}\\p{N}]+`
  + `|[${UNICODE_SPACE}]+(?![^${UNICODE_SPACE}])|[${UNICODE_SPACE}]+`,
  "gu");
const NO_MERGE = {rank: Infinity, id: -1};

/** Return the pieces of a text in which pairs are joined. Lone surrogates are not joined. */
function splitForBpe(text) {
  const pieces = [];
  for (const part of text.split(/(\n|[\udc80-\udcff])/u)) {
    if (part === "\n" || isEscape(part.charCodeAt(0))) pieces.push(part);
    else pieces.push(...(part.match(GPT2_PIECE) || []));
  }
  return pieces;
}

/**
 * Return a function from a text to its token ids.
 *
 * idOfByte: the ids of the 256 bytes.
 * merges: pairs of ids, in the order in which they were learned.
 * idOfMerged: a function from a pair of ids to the id of the joined token.
 */
function makeBpeEncoder(numTokens, idOfByte, merges, idOfMerged) {
  const mergeOf = new Map(); // from left * numTokens + right
  merges.forEach(([left, right], rank) => {
    const key = left * numTokens + right;
    if (!mergeOf.has(key)) mergeOf.set(key, {rank, id: idOfMerged(left, right)});
  });
  const findMerge = (left, right) => mergeOf.get(left * numTokens + right) || NO_MERGE;
  const cache = new Map(); // most words come again
  return text => {
    const ids = [];
    for (const piece of splitForBpe(text)) {
      if (!cache.has(piece)) {
        cache.set(piece, joinPairs(encodeUtf8(piece).map(byte => idOfByte[byte]), findMerge));
      }
      for (const id of cache.get(piece)) ids.push(id);
    }
    return ids;
  };
}

/** Join pairs of neighbours until no pair is left that was learned. Returns the token ids. */
function joinPairs(ids, findMerge) {
  let found = ids.map((id, i) => (i + 1 < ids.length ? findMerge(id, ids[i + 1]) : NO_MERGE));
  for (;;) {
    const best = found.reduce((least, merge) => Math.min(least, merge.rank), Infinity);
    if (best === Infinity) return ids;
    [ids, found] = joinOnePair(ids, found, best, findMerge);
  }
}

/**
 * Join the pair of this rank wherever it is, from left to right.
 *
 * The sweep only copies from where a join made a pair that was learned even earlier: that pair
 * comes first then.
 */
function joinOnePair(ids, found, rank, findMerge) {
  const newIds = [];
  const newFound = [];
  let isEarlier = false;
  for (let i = 0; i < ids.length; i++) {
    const isJoined = found[i].rank === rank && !isEarlier;
    const id = isJoined ? found[i].id : ids[i];
    const merge = isJoined && i + 2 < ids.length ? findMerge(id, ids[i + 2])
      : isJoined ? NO_MERGE : found[i];
    if (isJoined && newIds.length > 0) {
      newFound[newFound.length - 1] = findMerge(newIds[newIds.length - 1], id);
      isEarlier = newFound[newFound.length - 1].rank < rank;
    }
    isEarlier = isEarlier || merge.rank < rank;
    newIds.push(id);
    newFound.push(merge);
    if (isJoined) i++;
  }
  return [newIds, newFound];
}
