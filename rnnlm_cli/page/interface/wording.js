/* Figures and tokens as the page writes them. */

const VISIBLE = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5", "\r": "\u240d"};
const SPOKEN = {" ": "space", "\n": "newline", "\t": "tab", "\r": "carriage return"};

/** Return the name of a character by its code point. */
function nameCodePoint(sign) {
  return `U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Return a token with its white space and control characters made visible. */
function showToken(token) {
  return token.replace(/[\s\p{Cc}]/gu, sign => VISIBLE[sign] || nameCodePoint(sign));
}

/** Return a token for a screen reader: white space alone is named. */
function speakToken(token) {
  if (token === "") {
    return "rest of a character";
  }
  return token.trim() === ""
    ? Array.from(token, sign => SPOKEN[sign] || nameCodePoint(sign)).join(" ") : token;
}

/** Return bits with two decimals; a dash for a token without a probability. */
function formatBits(bits) {
  return Number.isFinite(bits) ? `${bits.toFixed(2)} bits` : "\u2013";
}

/** Return a probability in percent, with more digits where it is small. */
function formatProbability(p) {
  const percent = 100 * p;
  if (percent >= 99.95 && percent < 100) {
    return "> 99.9 %";
  }
  if (percent > 0 && percent < 0.001) {
    return "< 0.001 %";
  }
  return `${percent.toFixed(percent >= 1 ? 1 : percent >= 0.1 ? 2 : 3)} %`;
}

/** Return a number with a sign and two decimals. The sign is a real minus. */
function formatSigned(value) {
  return `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`;
}

function formatCount(count) {
  return count.toLocaleString("en");
}

function formatSeconds(seconds) {
  return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
}

/** Return "1 token", "2 tokens". */
function countOf(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** Return a unit's name. On the page, layers are numbered from 1, and an only layer is not named. */
function nameUnit({layer, unit}) {
  return contents.config.num_layers > 1 ? `layer ${layer + 1}, unit ${unit}` : `unit ${unit}`;
}

/** Count the characters of a text; one outside the first plane is two code units of a string. */
function countCharacters(text) {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    count += code >= 0xdc00 && code <= 0xdfff ? 0 : 1;
  }
  return count;
}

/** Return what stands for the escapes of a one-line field: newline, tab, backslash. */
function readEscapes(written) {
  const signs = {n: "\n", t: "\t", "\\": "\\"};
  return written.replace(/\\([nt\\])/g, (_, letter) => signs[letter]);
}

/** Return a text with its newlines, tabs and backslashes written as escapes. */
function writeEscapes(text) {
  return text.replace(/[\\\n\t]/g, sign => ({"\n": "\\n", "\t": "\\t", "\\": "\\\\"}[sign]));
}

function capitalise(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
