/* The panel beside a text: the figures of the token under the pointer or the keyboard. */

/** Turn an element into an inspector. The panel shows `hint` while no token is chosen. */
function createInspector(panel, hint) {
  /** Show {token, pairs: [[name, value]], best: [{token, p, came}]}; the hint for null. */
  function show(figures) {
    if (figures === null) {
      panel.replaceChildren(create("p", {class: "note"}, hint));
      return;
    }
    const parts = [
      create("p", {class: "token-name"}, showToken(figures.token) || "(rest of a character)"),
      create("dl", {}, ...createPairs(figures.pairs)),
    ];
    if (figures.best.length > 0) {
      parts.push(create("h3", {}, "The model expected"), listLikeliest(figures.best));
    }
    panel.replaceChildren(...parts);
  }

  show(null);
  return {show};
}

/** Return a list of tokens with their probabilities as bars. */
function listLikeliest(best) {
  return create("ol", {class: "bars"}, ...best.map(({token, p, came}) =>
    create("li", {class: came ? "came" : ""},
      createBar(p),
      create("span", {class: "name"}, showToken(token)),
      create("span", {class: "figure"}, formatProbability(p)))));
}

/** Return the sentence in which a screen reader hears the same figures. */
function speakFigures({token, pairs, best}) {
  const figures = pairs.map(([name, value]) => `${name} ${value}`).join(", ");
  const expected = best.map(each => `${speakToken(each.token)} ${formatProbability(each.p)}`);
  const tail = expected.length > 0 ? `. Expected: ${expected.join(", ")}` : "";
  return `${speakToken(token)}: ${figures}${tail}`;
}
