"use strict";

// Features of a text that a unit may follow: see rnnlm_cli/inspect/features.py.
//
// The characters of the text are read in order. A token has the values that hold after its last
// character:
//
//     text               a  "  (  B  "  \n
//     position in line   1  2  3  4  5  0
//     inside quotes      0  1  1  1  0  0
//     inside brackets    0  0  1  1  1  1
//     after a capital    0  0  0  1  0  0
//
// An empty line ends quotes and brackets, so that a single one does not change the rest.

const OPENING_QUOTES = "\u201c\u201e\u00ab";
const CLOSING_QUOTES = "\u201d\u00bb";
const OPENING_BRACKETS = "([{";
const CLOSING_BRACKETS = ")]}";
const TAB_SIZE = 8;
const CAPITAL = /^\p{Lu}/u;

const FEATURES = [
  {name: "line_position", title: "position in the line", read: reader => reader.position},
  {name: "quotes", title: "inside quotes", read: reader => Number(reader.isQuoted)},
  {name: "brackets", title: "inside brackets", read: reader => Number(reader.depth > 0)},
  {name: "indentation", title: "indentation", read: reader => reader.indentation},
  {name: "capital", title: "after a capital", read: reader => Number(reader.isCapital)},
];

/**
 * Return the features of the tokens of a text: [{name, title, values}], values as a Float64Array.
 *
 * pieces: the part of the text that each token stands for.
 */
function listFeatures(pieces) {
  const features = FEATURES.map(({name, title}) => (
    {name, title, values: new Float64Array(pieces.length)}));
  const reader = {
    position: 0, isQuoted: false, depth: 0, indentation: 0, isIndenting: true, isCapital: false,
  };
  pieces.forEach((piece, t) => {
    for (const character of piece) readCharacter(reader, character);
    FEATURES.forEach(({read}, k) => { features[k].values[t] = read(reader); });
  });
  return features;
}

/** Read the next character of a text. */
function readCharacter(reader, character) {
  reader.isCapital = CAPITAL.test(character);
  if (character === "\n") {
    if (reader.position === 0) { // an empty line
      reader.isQuoted = false;
      reader.depth = 0;
    }
    Object.assign(reader, {position: 0, indentation: 0, isIndenting: true});
    return;
  }
  reader.position++;
  readIndentation(reader, character);
  if (character === '"') reader.isQuoted = !reader.isQuoted;
  else if (OPENING_QUOTES.includes(character)) reader.isQuoted = true;
  else if (CLOSING_QUOTES.includes(character)) reader.isQuoted = false;
  else if (OPENING_BRACKETS.includes(character)) reader.depth++;
  else if (CLOSING_BRACKETS.includes(character)) reader.depth = Math.max(0, reader.depth - 1);
}

/** Read a character for the width of the white space at the beginning of the line. */
function readIndentation(reader, character) {
  if (!reader.isIndenting) return;
  if (character === " ") reader.indentation++;
  else if (character === "\t") reader.indentation += TAB_SIZE - reader.indentation % TAB_SIZE;
  else reader.isIndenting = false;
}
