/* The view Text: a text shaded token by token, with what the model expected at each one. */

const MAX_AUTOMATIC_CHARACTERS = 5000; // A longer text waits for the button.
const TYPING_PAUSE_MS = 500;
const UNKNOWN_ID = 0;

/** Set up the view. Return {analyse: function(text)}. */
function setUpTextView(engine, reading, names) {
  const input = find("text-input");
  const note = find("analyse-note");
  const progress = createProgressLine(find("text-progress"));
  const inspector = createInspector(find("inspector"), "Point at a token to see its figures.");
  const shaded = createShadedText(find("shaded-text"), {
    onShow: position => inspector.show(position === null ? null : figuresOf(position)),
    describe: position => speakFigures(figuresOf(position)),
  });
  const maxBits = Math.log2(contents.vocabulary.tokens.length);
  let shading = null;
  let unitValues = null; // {name, values} while the text is shaded by a unit
  let timer = 0;

  function figuresOf(position) {
    const {ids, pieces, bits, ranks, bestIds, bestP} = reading.result;
    const scored = Number.isFinite(bits[position]);
    const pairs = scored
      ? [["Surprisal", formatBits(bits[position])], ["Rank", formatCount(ranks[position])],
        ["Probability", formatProbability(2 ** -bits[position])]]
      : [["Surprisal", "no probability: the model never saw unknown tokens"]];
    if (ids[position] === UNKNOWN_ID) {
      pairs.push(["Read as", names[UNKNOWN_ID]]);
    }
    if (unitValues) {
      pairs.push([unitValues.name, formatSigned(unitValues.values[position])]);
    }
    const best = [0, 1, 2, 3, 4].map(index => 5 * position + index)
      .filter(index => bestP[index] > 0)
      .map(index => ({
        token: names[bestIds[index]], p: bestP[index], came: bestIds[index] === ids[position],
      }));
    return {token: nameToken(ids[position], pieces[position], names), pairs, best};
  }

  async function analyse(text) {
    clearTimeout(timer);
    note.textContent = "";
    showError(find("text-error"), null);
    find("shaded-text").classList.add("stale");
    const watch = progress.start("Reading the text", reading.cancel);
    try {
      const ending = await reading.analyse(text, watch);
      if (ending === "replaced") {
        return;
      }
      if (ending === "cancelled") {
        note.textContent = "Cancelled. The shaded text is the one that was read before.";
      }
    } catch (error) {
      showError(find("text-error"), error.message);
    }
    find("shaded-text").classList.remove("stale");
    progress.finish();
  }

  async function chooseShading() {
    const {bits, ranks} = reading.result;
    const kind = find("shading").value;
    find("text-unit-field").hidden = kind !== "unit";
    find("text-layer-field").hidden = kind !== "unit" || contents.config.num_layers === 1;
    unitValues = null;
    if (kind === "unit") {
      const unit = readUnit(find("text-layer"), find("text-unit"));
      const {values} = await engine.ask("unit", unit).answer;
      unitValues = {name: capitalise(nameUnit(unit)), values};
      shading = shadeByUnit(unitValues.name, values);
    } else if (kind === "rank") {
      shading = shadeByRank(ranks);
    } else {
      shading = shadeByBits("Surprisal", bits, maxBits,
        `${maxBits.toFixed(1)} bits (all ${formatCount(names.length)} tokens alike)`);
    }
    showLegend(find("text-legend"), shading);
  }

  async function changeShading() {
    try {
      await chooseShading();
      shaded.setShade(shading.classOf);
      showError(find("text-error"), null);
    } catch (error) {
      showError(find("text-error"), error.message);
    }
  }

  reading.onChange(async () => {
    showTotals(reading);
    inspector.show(null);
    await chooseShading();
    shaded.setText(reading.result.pieces, shading.classOf);
    document.body.dataset.state = "ready";
  });

  input.addEventListener("input", () => {
    clearTimeout(timer);
    if (input.value.length <= MAX_AUTOMATIC_CHARACTERS) {
      timer = setTimeout(() => analyse(input.value), TYPING_PAUSE_MS);
    } else {
      note.textContent = `${formatCount(input.value.length)} characters: press Analyse to read them.`;
    }
  });
  input.addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      analyse(input.value);
    }
  });
  find("analyse").addEventListener("click", () => analyse(input.value));
  find("shading").append(create("option", {value: "unit"}, "a unit of the network"));
  limitUnits(find("text-layer"), find("text-unit"));
  for (const id of ["shading", "text-layer", "text-unit"]) {
    find(id).addEventListener("change", changeShading);
  }
  find("text-png").addEventListener("click", () =>
    saveShadedText(shaded, shading, pictureName("text")));

  input.value = contents.text;
  return {analyse};
}

/** Return a token of a text as the vocabulary spells it, or as the text does where it is unknown. */
function nameToken(id, piece, names) {
  return id === UNKNOWN_ID ? piece.trim() || piece : names[id];
}

/** Show the totals of the analysed text. */
function showTotals({text, result: {totalBits, numPredicted, numRows, seconds, pieces}}) {
  const perToken = totalBits / numPredicted;
  const figure = value => (Number.isFinite(value) ? value.toFixed(2) : "\u2013");
  find("totals").replaceChildren(...createPairs([
    ["bits per token", figure(perToken)],
    ["bits per character", figure(totalBits / countCharacters(text))],
    ["perplexity per token", figure(2 ** perToken)],
    ["tokens", formatCount(pieces.length)],
    ["time", formatSeconds(seconds)],
  ]));
  find("text-status").textContent = `${countOf(pieces.length, "token")} read, `
    + `${figure(perToken)} bits per token.`;
  const note = find("totals-note");
  note.hidden = numRows <= 1;
  note.textContent = `The text was read in ${formatCount(numRows)} rows at once, to be faster. Each `
    + "row was warmed up on the 256 tokens before it, so that the figures are close to the exact ones.";
}

/** Set the limits of the two fields that name a unit. */
function limitUnits(layerField, unitField) {
  layerField.max = contents.config.num_layers;
  unitField.max = contents.config.hidden_size - 1;
}

/** Read the two fields that name a unit, and correct what is out of range. */
function readUnit(layerField, unitField) {
  for (const field of [layerField, unitField]) {
    const value = Math.round(Number(field.value)) || 0;
    field.value = Math.min(Number(field.max), Math.max(Number(field.min), value));
  }
  return {layer: Number(layerField.value) - 1, unit: Number(unitField.value)};
}
