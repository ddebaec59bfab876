/* The network, unrolled over a short text: one column for each step, with the real numbers.

       token read -> layer 1 -> ... -> layer L -> the five likeliest next tokens -> what came
                        |                |
                        v                v        the hidden state goes on to the next column */

const COLUMN = {width: 132, gap: 34, box: 34, space: 26, line: 19, left: 84, top: 26};

/** Draw the steps that the engine has traced. */
function drawUnrolled(steps) {
  const numLayers = steps[0].norms.length;
  const rows = placeRows(numLayers, Math.max(...steps.map(({best}) => best.length)));
  const width = COLUMN.left + steps.length * (COLUMN.width + COLUMN.gap);
  const largest = steps[0].norms.map((_, layer) =>
    Math.max(...steps.map(({norms}) => norms[layer])));
  return createSvg("svg", {
    viewBox: `0 0 ${width} ${rows.height}`, width, height: rows.height, role: "img",
    "aria-labelledby": "unrolled-title unrolled-desc",
  },
  createSvg("title", {id: "unrolled-title"},
    `The network, unrolled over ${countOf(steps.length, "step")}`),
  createSvg("desc", {id: "unrolled-desc"}, "The same numbers follow as a table."),
  ...labelRows(rows),
  ...steps.map((step, index) => drawStep(step, {
    x: COLUMN.left + index * (COLUMN.width + COLUMN.gap), rows, largest,
    isLast: index === steps.length - 1,
  })));
}

/** Return the top of each row of the picture. */
function placeRows(numLayers, numBest) {
  const {box, space, line, top} = COLUMN;
  const layers = Array.from({length: numLayers}, (_, layer) => top + (layer + 1) * (box + space));
  const best = top + (numLayers + 1) * (box + space);
  const came = best + numBest * line + 8 + space;
  return {read: top, layers, best, numBest, came, height: came + box + 24};
}

function labelRows({read, layers, best, came}) {
  const label = (y, ...lines) => lines.map((text, index) =>
    createSvg("text", {class: "quiet", x: 0, y: y + 14 + 15 * index}, text));
  return [
    ...label(read, "token", "read"),
    ...layers.flatMap((y, layer) => label(y, `layer ${layer + 1},`, "norm of h")),
    ...label(best, "likeliest", "next tokens"),
    ...label(came, "token that", "came"),
  ];
}

function drawStep(step, {x, rows, largest, isLast}) {
  const middle = x + COLUMN.width / 2;
  const {box} = COLUMN;
  const parts = [
    ...drawTokenBox(x, rows.read, step.input, ""),
    drawArrow(middle, rows.read + box, middle, rows.layers[0]),
  ];
  step.norms.forEach((norm, layer) => {
    const y = rows.layers[layer];
    const below = layer + 1 < rows.layers.length ? rows.layers[layer + 1] : rows.best;
    parts.push(...drawState(x, y, norm, largest[layer]), drawArrow(middle, y + box, middle, below));
    if (!isLast) {
      const right = x + COLUMN.width;
      parts.push(drawArrow(right, y + box / 2, right + COLUMN.gap, y + box / 2));
    }
  });
  parts.push(...drawBest(x, rows, step));
  if (step.target !== null) {
    parts.push(...drawTokenBox(x, rows.came, step.target, formatBits(step.bits)));
  }
  return createSvg("g", {}, ...parts);
}

/** Draw a token in a box; `figure`, if there is one, stands under it. */
function drawTokenBox(x, y, token, figure) {
  const {width} = COLUMN;
  const text = clip(showToken(token), 13);
  const parts = [
    createSvg("rect", {class: "box token", x, y, width, height: COLUMN.box, rx: 5}),
    createSvg("text", {
      class: "mono strong", x: x + width / 2, y: y + 22, "text-anchor": "middle",
    }, text),
  ];
  if (figure) {
    parts.push(createSvg("text", {
      class: "quiet", x: x + width / 2, y: y + COLUMN.box + 17, "text-anchor": "middle",
    }, figure));
  }
  return parts;
}

/** Draw the state of a layer: its norm as a bar, against the largest one of that layer. */
function drawState(x, y, norm, largest) {
  const share = largest > 0 ? norm / largest : 0;
  return [
    createSvg("rect", {class: "box", x, y, width: COLUMN.width, height: COLUMN.box, rx: 5}),
    createSvg("rect", {
      class: "bar-fill", x: x + 4, y: y + 4, width: share * (COLUMN.width - 8),
      height: COLUMN.box - 8, rx: 3,
    }),
    createSvg("text", {
      x: x + COLUMN.width / 2, y: y + 21, "text-anchor": "middle",
    }, norm.toFixed(2)),
  ];
}

/** Draw the likeliest next tokens; the one that came is set in bold, with a mark. */
function drawBest(x, rows, {best, target}) {
  const height = rows.numBest * COLUMN.line + 8;
  const parts = [createSvg("rect", {
    class: "box", x, y: rows.best, width: COLUMN.width, height, rx: 5,
  })];
  best.forEach(({token, p}, index) => {
    const y = rows.best + 4 + index * COLUMN.line;
    const came = token === target;
    parts.push(
      createSvg("rect", {
        class: "bar-fill", x: x + 4, y: y + 1, width: p * (COLUMN.width - 8),
        height: COLUMN.line - 2, rx: 3,
      }),
      createSvg("text", {class: came ? "mono strong" : "mono", x: x + 9, y: y + 14},
        clip(showToken(token), 7) + (came ? " \u2713" : "")),
      createSvg("text", {
        class: came ? "strong" : "", x: x + COLUMN.width - 8, y: y + 14, "text-anchor": "end",
      }, formatProbability(p)));
  });
  return parts;
}

/** Draw an arrow to the right or downwards. */
function drawArrow(fromX, fromY, toX, toY) {
  const isDown = fromX === toX;
  const [dx, dy] = isDown ? [0, 1] : [1, 0];
  const [tipX, tipY] = [toX - 3 * dx, toY - 3 * dy];
  const head = isDown
    ? `M${tipX - 4} ${tipY - 7}L${tipX + 4} ${tipY - 7}L${tipX} ${tipY}Z`
    : `M${tipX - 7} ${tipY - 4}L${tipX - 7} ${tipY + 4}L${tipX} ${tipY}Z`;
  return createSvg("g", {},
    createSvg("line", {
      class: "arrow", x1: fromX + 3 * dx, y1: fromY + 3 * dy, x2: tipX - 6 * dx, y2: tipY - 6 * dy,
    }),
    createSvg("path", {class: "arrow-head", d: head}));
}

function clip(text, maxLength) {
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}\u2026` : text;
}

/** Return the same numbers as a table. */
function tabulateUnrolled(steps) {
  const numLayers = steps[0].norms.length;
  const layers = Array.from({length: numLayers}, (_, layer) => `norm, layer ${layer + 1}`);
  const heads = ["step", "token read", ...layers, "five likeliest", "token that came", "surprisal"];
  const rows = steps.map((step, index) => [
    `${index + 1}`, {token: showToken(step.input)}, ...step.norms.map(norm => norm.toFixed(2)),
    {token: step.best.map(({token, p}) => `${showToken(token)} ${formatProbability(p)}`).join("   ")},
    step.target === null ? "\u2013" : {token: showToken(step.target)},
    step.target === null ? "\u2013" : formatBits(step.bits)]);
  return createTable("The network, unrolled", heads, rows);
}
