/* The page of scores: texts that were scored elsewhere, without a model to ask. */

const TITLE_CHARACTERS = 60; // of a text's beginning in the list of texts

/** Set up the view Text for the texts of the page. */
function setUpScoresView() {
  const inspector = createInspector(find("inspector"), "Point at a token to see its figures.");
  const shaded = createShadedText(find("shaded-text"), {
    onShow: position => inspector.show(position === null ? null : figuresOf(position)),
    describe: position => speakFigures(figuresOf(position)),
  });
  const hasEntropies = contents.texts.some(text => text.entropies.some(Number.isFinite));
  const maxBits = typicalMaximum(contents.texts.flatMap(text => text.bits));
  let shown = null;
  let shading = null;

  function figuresOf(position) {
    const bits = shown.bits[position];
    const pairs = [];
    if (shown.separators.has(position)) {
      pairs.push(["End of", shown.separators.get(position)]);
    } else if (Number.isFinite(bits)) {
      pairs.push(["Surprisal", formatBits(bits)], ["Probability", formatProbability(2 ** -bits)]);
      if (shown.ranks[position]) {
        pairs.splice(1, 0, ["Rank", formatCount(shown.ranks[position])]);
      }
      if (Number.isFinite(shown.entropies[position])) {
        pairs.push(["Entropy", formatBits(shown.entropies[position])]);
      }
    } else {
      pairs.push(["Surprisal", "no probability"]);
    }
    return {token: shown.pieces[position], pairs, best: []};
  }

  function chooseShading() {
    const kind = find("shading").value;
    const label = `${maxBits} bits or more`;
    shading = kind === "rank" ? shadeByRank(shown.ranks)
      : kind === "entropy" ? shadeByBits("Entropy", shown.entropies, maxBits, label)
        : shadeByBits("Surprisal", shown.bits, maxBits, label);
    const {classOf} = shading;
    shading.classOf = position => (shown.separators.has(position) ? "" : classOf(position));
    showLegend(find("text-legend"), shading);
  }

  function showText() {
    const choice = find("score-text").value;
    shown = joinTexts(choice === "all" ? contents.texts : [contents.texts[Number(choice)]]);
    showScoreTotals(shown);
    inspector.show(null);
    chooseShading();
    shaded.setText(shown.pieces, shading.classOf);
  }

  if (!contents.texts.some(text => text.ranks.some(Number.isFinite))) {
    find("shading").querySelector("[value=rank]").remove();
  }
  if (hasEntropies) {
    find("shading").append(create("option", {value: "entropy"}, "entropy of the prediction"));
  }
  listTexts();
  find("score-chooser").hidden = contents.texts.length < 2;
  find("score-facts").append(...createPairs(contents.facts));
  find("score-text").addEventListener("change", showText);
  find("score-order").addEventListener("change", () => { listTexts(); showText(); });
  find("shading").addEventListener("change", () => {
    chooseShading();
    shaded.setShade(shading.classOf);
  });
  find("text-png").addEventListener("click", () =>
    saveShadedText(shaded, shading, pictureName("text")));
  if (contents.texts.length > 0) {
    showText();
  }
  document.body.dataset.state = "ready";
}

/** Fill the list of texts, in the order that the reader chose. */
function listTexts() {
  const rows = contents.texts.map((text, index) => ({text, index, mean: meanBits(text.bits)}));
  if (find("score-order").value === "bits") {
    rows.sort((a, b) => (b.mean || 0) - (a.mean || 0));
  }
  const options = rows.map(({text, index, mean}) => {
    const beginning = text.pieces.join("").slice(0, TITLE_CHARACTERS).trim();
    const figure = Number.isFinite(mean) ? `${mean.toFixed(2)} bits per token` : "no figure";
    return create("option", {value: index}, `${text.title} \u00b7 ${figure} \u00b7 ${beginning}`);
  });
  const all = create("option", {value: "all"}, `all ${countOf(contents.texts.length, "text")}`);
  find("score-text").replaceChildren(...(options.length > 1 ? [all] : []), ...options);
  if (find("score-order").value === "bits" && rows.length > 0) {
    find("score-text").value = rows[0].index;
  }
}

/** Join texts into one. Between two of them stands a newline that has no figures. */
function joinTexts(texts) {
  const joined = {pieces: [], bits: [], ranks: [], entropies: [], separators: new Map()};
  texts.forEach((text, index) => {
    for (const name of ["pieces", "bits", "ranks", "entropies"]) {
      for (const value of text[name]) {
        joined[name].push(value);
      }
    }
    const last = joined.pieces[joined.pieces.length - 1] || "";
    if (index < texts.length - 1 && !last.endsWith("\n")) {
      joined.separators.set(joined.pieces.length, text.title);
      joined.pieces.push("\n");
      joined.bits.push(null);
      joined.ranks.push(null);
      joined.entropies.push(null);
    }
  });
  return joined;
}

function meanBits(bits) {
  const finite = bits.filter(Number.isFinite);
  return finite.reduce((sum, value) => sum + value, 0) / finite.length;
}

function showScoreTotals({bits}) {
  const finite = bits.filter(Number.isFinite);
  const perToken = meanBits(finite);
  const figure = value => (Number.isFinite(value) ? value.toFixed(2) : "\u2013");
  find("totals").replaceChildren(...createPairs([
    ["bits per token", figure(perToken)],
    ["perplexity per token", figure(2 ** perToken)],
    ["predicted tokens", formatCount(finite.length)],
  ]));
}
