/* The view Model: the facts, the losses of the training, and the network unrolled. */

const FIRST_UNROLLED_TOKENS = 12; // of the page's text, for the picture at the beginning

/** Set up the view. Return {show: to be called when the view becomes visible}. */
function setUpModelView(engine, reading) {
  const input = find("unrolled-input");
  let shownText = null;
  let timer = 0;

  const corpus = contents.corpus ? [["corpus", contents.corpus]] : [];
  find("facts").append(...createPairs([...corpus, ...contents.facts]));
  find("losses").hidden = !hasLosses();
  if (hasLosses()) {
    find("curve-table").append(tabulateCurve(contents.history));
    addEventListener("resize", showCurve);
  }

  async function unroll() {
    const text = readEscapes(input.value);
    if (text === shownText) {
      return;
    }
    shownText = text;
    try {
      const {steps} = await engine.ask("trace", {text}).answer;
      find("unrolled").replaceChildren(drawUnrolled(steps));
      find("unrolled-table").replaceChildren(tabulateUnrolled(steps));
      showError(find("unrolled-error"), null);
    } catch (error) {
      showError(find("unrolled-error"), error.message);
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(unroll, TYPING_PAUSE_MS);
  });
  find("unrolled-png").addEventListener("click", () =>
    saveSvg(find("unrolled").querySelector("svg"), pictureName("unrolled")));
  find("curve-png").addEventListener("click", () =>
    saveSvg(find("curve").querySelector("svg"), pictureName("losses")));

  return {
    show() {
      showCurve();
      if (shownText === null && reading.result) {
        const {pieces} = reading.result;
        const start = Math.max(0, pieces.findIndex(piece => piece.trim() !== ""));
        const shown = pieces.slice(start, start + FIRST_UNROLLED_TOKENS);
        input.value = writeEscapes(shown.join("").trim());
      }
      unroll();
    },
  };
}

/** Return true if the page has losses to draw. */
function hasLosses() {
  return contents.history.filter(({loss}) => Number.isFinite(loss)).length > 1;
}

/** Draw the curve as wide as the page has room for it, so that its letters keep their size. */
function showCurve() {
  const {paddingLeft, paddingRight} = getComputedStyle(find("curve"));
  const room = find("curve").clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
  if (hasLosses() && room > 0) {
    find("curve").replaceChildren(drawCurve(contents.history, room));
  }
}
