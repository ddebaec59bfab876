/* The losses of the training as a curve: thin the training loss, bold the validation loss. */

const CURVE = {maxWidth: 1060, height: 340, left: 48, right: 20, top: 40, bottom: 44};

/** Return round numbers from `low` to `high`, about `count` of them. */
function chooseTicks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map(factor => factor * power).find(each => each >= raw);
  const ticks = [];
  for (let index = Math.ceil(low / step); index * step <= high + 1e-9; index += 1) {
    ticks.push(index * step);
  }
  return ticks;
}

/**
 * Draw the curve. The axis of losses ends a little above the first validation loss: before it, the
 * training loss falls so far that the rest would be flat.
 *
 * history: records {step, loss, valid_nats}, where a loss that was not measured is null.
 * room: the width that the page has for the picture.
 */
function drawCurve(history, room) {
  const validation = history.filter(({valid_nats: nats}) => Number.isFinite(nats));
  const training = history.filter(({loss}) => Number.isFinite(loss));
  const losses = training.map(({loss}) => loss);
  const nats = validation.map(each => each.valid_nats);
  const low = Math.min(...losses, ...nats);
  const high = nats.length > 1 ? Math.max(...nats, low + 0.1) * 1.08 : Math.max(...losses, ...nats);
  const bottom = low - 0.06 * (high - low);
  const lastStep = Math.max(...history.map(({step}) => step));
  const {height, left, right, top} = CURVE;
  const width = Math.min(CURVE.maxWidth, room);
  const base = height - CURVE.bottom;
  const x = step => left + (step / lastStep) * (width - left - right);
  const y = loss => base - ((Math.min(loss, 2 * high) - bottom) / (high - bottom)) * (base - top);
  const path = (records, valueOf) => records.map((each, index) =>
    `${index === 0 ? "M" : "L"}${x(each.step).toFixed(1)} ${y(valueOf(each)).toFixed(1)}`).join("");

  const svg = createSvg("svg", {
    viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-labelledby": "curve-title curve-desc",
  },
    createSvg("title", {id: "curve-title"}, "Training and validation loss by optimizer step"),
    createSvg("desc", {id: "curve-desc"}, describeCurve(training, validation)),
    createSvg("clipPath", {id: "curve-clip"},
      createSvg("rect", {x: left, y: top, width: width - left - right + 10, height: base - top})),
    ...drawAxes({low: bottom, high, lastStep, x, y, base, width}),
    ...drawKey(width),
    createSvg("path", {
      class: "training", "clip-path": "url(#curve-clip)", d: path(training, each => each.loss),
    }),
    createSvg("path", {class: "validation", d: path(validation, each => each.valid_nats)}));
  if (validation.length > 0) {
    svg.append(...markMinimum(findMinimum(validation), {x, y, width}));
  }
  return svg;
}

function drawAxes({low, high, lastStep, x, y, base, width}) {
  const parts = [];
  const ticks = chooseTicks(low, high, 5);
  const numDigits = ticks.some(tick => Math.abs(tick * 10 - Math.round(tick * 10)) > 1e-6) ? 2 : 1;
  for (const tick of ticks) {
    parts.push(
      createSvg("line", {
        class: "grid", x1: CURVE.left, x2: width - CURVE.right, y1: y(tick), y2: y(tick),
      }),
      createSvg("text", {
        class: "quiet", x: CURVE.left - 8, y: y(tick) + 4, "text-anchor": "end",
      }, tick.toFixed(numDigits)));
  }
  for (const tick of chooseTicks(0, lastStep, width / 140)) {
    parts.push(createSvg("text", {
      class: "quiet", x: x(tick), y: base + 18, "text-anchor": "middle",
    }, formatCount(tick)));
  }
  const middle = (CURVE.left + width - CURVE.right) / 2;
  parts.push(createSvg("text", {
    class: "quiet", x: middle, y: base + 38, "text-anchor": "middle",
  }, "optimizer steps"));
  return parts;
}

/** Name the axis of losses and the two lines, so that the saved picture explains itself. */
function drawKey(width) {
  const end = width - CURVE.right;
  return [
    createSvg("text", {class: "quiet", x: 0, y: 14}, "nats per token"),
    createSvg("line", {class: "validation", x1: end - 198, x2: end - 176, y1: 10, y2: 10}),
    createSvg("text", {class: "quiet", x: end - 170, y: 14}, "validation"),
    createSvg("line", {class: "training", x1: end - 92, x2: end - 70, y1: 10, y2: 10}),
    createSvg("text", {class: "quiet", x: end - 64, y: 14}, "training"),
  ];
}

function markMinimum(best, {x, y, width}) {
  const isLate = x(best.step) > width / 2;
  return [
    createSvg("circle", {class: "minimum", cx: x(best.step), cy: y(best.valid_nats), r: 5}),
    createSvg("text", {
      class: "strong haloed", x: x(best.step) + (isLate ? 4 : 0), y: y(best.valid_nats) - 14,
      "text-anchor": isLate ? "end" : "start",
    }, `${best.valid_nats.toFixed(4)} at step ${formatCount(best.step)}`),
  ];
}

function findMinimum(validation) {
  return validation.reduce((best, each) => (each.valid_nats < best.valid_nats ? each : best));
}

/** Return what the picture shows, in words. */
function describeCurve(training, validation) {
  const sentences = [];
  if (training.length > 0) {
    sentences.push(`The training loss goes from ${training[0].loss.toFixed(2)} to `
      + `${training[training.length - 1].loss.toFixed(2)} nats per token.`);
  }
  if (validation.length > 0) {
    const best = findMinimum(validation);
    sentences.push(`The validation loss goes from ${validation[0].valid_nats.toFixed(2)} to `
      + `${validation[validation.length - 1].valid_nats.toFixed(2)}; its minimum is `
      + `${best.valid_nats.toFixed(4)} at step ${formatCount(best.step)}.`);
  }
  return sentences.join(" ");
}

/** Return the validations as a table. */
function tabulateCurve(history) {
  const rows = history.filter(({valid_nats: nats}) => Number.isFinite(nats)).map(each => [
    formatCount(each.step), formatCount(Math.round(each.seconds)),
    Number.isFinite(each.loss) ? each.loss.toFixed(4) : "\u2013", each.valid_nats.toFixed(4)]);
  return createTable("Losses in nats per token", ["step", "seconds", "training", "validation"], rows);
}
