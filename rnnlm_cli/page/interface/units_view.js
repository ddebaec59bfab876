/* The view Units: which units follow which feature of the text, and where each one is on. */

const SNIPPET_TOKENS = 24; // shown before and after a place

/** Set up the view. Return {show: to be called when the view becomes visible}. */
function setUpUnitsView(engine, reading, names) {
  const ranking = find("ranking");
  const unitsAt = find("units-at");
  const places = find("places");
  const progress = createProgressLine(find("units-progress"));
  [ranking, unitsAt, places].forEach(makeRoving);
  const shaded = createShadedText(find("unit-text"), {
    onShow: showValue,
    onChoose: findUnitsAt,
    describe: position => `${speakToken(nameAt(position))}: ${formatSigned(values[position])}`,
  });
  let features = [];
  let shownText = null; // the answer to "analyse" that this view shows
  let chosen = {layer: 0, unit: 0};
  let values = [];
  let shading = null;

  const nameAt = position =>
    nameToken(reading.result.ids[position], reading.result.pieces[position], names);

  /** Call a function that asks the engine, and show its error. */
  async function attempt(action) {
    showError(find("units-error"), null);
    try {
      await action();
    } catch (error) {
      showError(find("units-error"), error.message);
    }
  }

  async function show() {
    if (reading.result && shownText !== reading.result) {
      shownText = reading.result;
      values = new Float32Array(shownText.pieces.length);
      shaded.setText(shownText.pieces, () => "");
      unitsAt.replaceChildren(create("p", {class: "note"}, "Choose a token in the text first."));
      find("units-at-title").textContent = "Units at a token";
      await attempt(rank);
    }
  }

  async function rank() {
    find("rank-again").hidden = true;
    const request = engine.ask("rank", {}, message => watch(message));
    const watch = progress.start("Ranking the units", request.cancel);
    try {
      const result = await request.answer;
      find("rank-again").hidden = !result.cancelled;
      if (!result.cancelled) {
        showFeatures(result.features);
      }
    } finally {
      progress.finish();
    }
    await choose(chosen);
  }

  function showFeatures(newFeatures) {
    const old = find("feature").value;
    features = newFeatures;
    find("feature").replaceChildren(...features.map(({name, title}) =>
      create("option", {value: name}, title)));
    if (features.some(({name}) => name === old)) {
      find("feature").value = old;
    }
    showRanking();
    const {units} = featureChosen();
    if (units.length > 0) {
      chosen = units[0];
    }
  }

  const featureChosen = () => features.find(({name}) => name === find("feature").value);

  function showRanking() {
    const {chance, units} = featureChosen();
    const numAbove = units.filter(({above}) => above).length;
    find("chance").textContent = chance === null
      ? "The feature is the same at every token of this text, so no unit can follow it."
      : `Chance level: |r| = ${chance.toFixed(2)}. When the feature is shifted along the text, no `
        + `unit exceeds it in 95 of 100 shifts. ${numAbove} of the ${units.length} units shown do.`;
    showButtons(ranking, units.map(unit => createUnitRow(unit, {
      mark: unit.above ? "\u2713 above chance" : "",
      figure: formatSigned(unit.r),
      bar: createBar(Math.abs(unit.r), unit.r < 0 ? "negative" : ""),
      onChoose: each => attempt(() => choose(each)),
    })));
    pressUnit([ranking], chosen);
  }

  async function choose({layer, unit}) {
    chosen = {layer, unit};
    find("unit-layer").value = layer + 1;
    find("unit-number").value = unit;
    const title = capitalise(nameUnit(chosen));
    const [shades, strongest] = await Promise.all([
      engine.ask("unit", chosen).answer, engine.ask("places", chosen).answer]);
    values = shades.values;
    shading = shadeByUnit(title, values);
    shaded.setShade(shading.classOf);
    showLegend(find("unit-legend"), shading);
    find("unit-title").textContent = title;
    find("units-status").textContent = `The text is shaded by ${nameUnit(chosen)}.`;
    pressUnit([ranking, unitsAt], chosen);
    showPlaces(strongest.places);
  }

  function showPlaces(strongest) {
    const {pieces} = reading.result;
    const cut = (start, end) => pieces.slice(Math.max(0, start), end).join("")
      .replace(/\n/g, "\u21b5").replace(/\t/g, " ");
    showButtons(places, strongest.map(({position, value}) => create("button", {
      type: "button", "data-place": position, click: () => jumpTo(position),
    },
    create("span", {class: "snippet"},
      create("span", {class: "before"},
        create("span", {}, cut(position - SNIPPET_TOKENS, position))),
      create("mark", {class: shading.classOf(position)}, cut(position, position + 1) || "\u00b7"),
      create("span", {class: "after"}, cut(position + 1, position + 1 + SNIPPET_TOKENS))),
    create("span", {}, formatSigned(value)))));
  }

  /** Bring a place of the text into view, with the keyboard's focus on it. */
  function jumpTo(position) {
    find("unit-text").scrollIntoView({block: "nearest"});
    find("unit-text").focus({preventScroll: true});
    shaded.moveTo(position);
  }

  function showValue(position) {
    find("unit-value").textContent = position === null ? ""
      : `${showToken(nameAt(position))} (token ${formatCount(position + 1)}): `
        + formatSigned(values[position]);
  }

  function findUnitsAt(position) {
    return attempt(async () => {
      const {units} = await engine.ask("unitsAt", {position}).answer;
      find("units-at-title").textContent =
        `Units at ${showToken(nameAt(position))} (token ${formatCount(position + 1)})`;
      showButtons(unitsAt, units.map(unit => createUnitRow(unit, {
        mark: `${formatSigned(unit.deviation)} \u03c3`,
        figure: formatSigned(unit.value),
        onChoose: each => attempt(() => choose(each)),
      })));
      pressUnit([unitsAt], chosen);
      find("units-status").textContent = `${countOf(units.length, "unit")} at `
        + `${speakToken(nameAt(position))} listed under Units at a token.`;
    });
  }

  find("feature").addEventListener("change", () => {
    showRanking();
    const {units} = featureChosen();
    if (units.length > 0) {
      attempt(() => choose(units[0]));
    }
  });
  reading.onChange(() => (find("view-units").hidden ? null : show()));
  limitUnits(find("unit-layer"), find("unit-number"));
  find("unit-layer-field").hidden = contents.config.num_layers === 1;
  for (const id of ["unit-layer", "unit-number"]) {
    find(id).addEventListener("change", () =>
      attempt(() => choose(readUnit(find("unit-layer"), find("unit-number")))));
  }
  find("rank-again").addEventListener("click", () => attempt(rank));
  find("unit-png").addEventListener("click", () =>
    saveShadedText(shaded, shading, pictureName(`layer-${chosen.layer + 1}-unit-${chosen.unit}`)));

  return {show};
}
