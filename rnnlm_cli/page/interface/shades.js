/* Shadings: a rule from the position of a token to a class of style.css, with its legend.

   A shading is {title, classOf(position), legend: {before, swatches: [[class, label]], after}}. */

const NUM_HEATS = 9;
const NUM_SIDES = 5;
const RANK_BOUNDS = [1, 2, 3, 5, 10, 20, 50, 100, 1000]; // the largest rank of each shade

/** Return the class for a share of the darkest shade; the first half step stays unshaded. */
function heatClass(share) {
  const level = Math.min(NUM_HEATS, Math.round(share * NUM_HEATS));
  return level > 0 ? `heat-${level}` : "";
}

function rampOf(lowLabel, highLabel) {
  const swatches = [["", ""]];
  for (let level = 1; level <= NUM_HEATS; level += 1) {
    swatches.push([`heat-${level}`, ""]);
  }
  return {before: lowLabel, swatches, after: highLabel};
}

/** Shade by figures in bits, from 0 to a largest value that gets the darkest shade. */
function shadeByBits(title, bits, maxBits, maxLabel) {
  return {
    title,
    classOf: position => (Number.isFinite(bits[position])
      ? heatClass(bits[position] / maxBits) : "unscored"),
    legend: rampOf("0 bits", maxLabel),
  };
}

/** Shade by the rank of the token among all tokens: 1 is the likeliest, and stays unshaded. */
function shadeByRank(ranks) {
  const labels = RANK_BOUNDS.map((bound, index) => {
    const first = index === 0 ? 1 : RANK_BOUNDS[index - 1] + 1;
    return first === bound ? `${bound}` : `\u2013${formatCount(bound)}`;
  });
  labels.push(`> ${formatCount(RANK_BOUNDS[RANK_BOUNDS.length - 1])}`);
  const levelOf = rank => {
    const level = RANK_BOUNDS.findIndex(bound => rank <= bound);
    return level < 0 ? RANK_BOUNDS.length : level;
  };
  const name = level => (level > 0 ? `heat-${level}` : "");
  return {
    title: "Rank of the token",
    classOf: position => (ranks[position] > 0 ? name(levelOf(ranks[position])) : "unscored"),
    legend: {
      before: "rank", swatches: labels.map((label, level) => [name(level), label]), after: "",
    },
  };
}

/** Shade by the activation of a unit, from -1 (cool) over 0 (unshaded) to 1 (warm). */
function shadeByUnit(title, values) {
  const name = level => (level === 0 ? "" : `${level < 0 ? "cool" : "warm"}-${Math.abs(level)}`);
  const swatches = [];
  for (let level = -NUM_SIDES; level <= NUM_SIDES; level += 1) {
    swatches.push([name(level), ""]);
  }
  return {
    title,
    classOf: position => name(Math.round(values[position] * NUM_SIDES)),
    legend: {before: "\u22121", swatches, after: "+1"},
  };
}

/** Show the legend of a shading. */
function showLegend(element, {title, legend}) {
  const list = create("ul", {"aria-hidden": "true"}, ...legend.swatches.map(([className, label]) =>
    create("li", {class: className}, label || "\u00a0")));
  element.replaceChildren(
    create("span", {class: "hidden-label"}, `Legend of the shading by ${title}: `),
    create("span", {}, legend.before), list, create("span", {}, legend.after));
}

/** Return a round number of bits that only one token in fifty exceeds. */
function typicalMaximum(bits) {
  const finite = Array.from(bits).filter(value => Number.isFinite(value)).sort((a, b) => a - b);
  const typical = finite.length > 0 ? finite[Math.floor(0.98 * (finite.length - 1))] : 0;
  return Math.max(1, Math.ceil(typical));
}
