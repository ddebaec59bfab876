/* Start the page: read its contents, start the engine, set up the views. */

const contents = JSON.parse(find("contents").textContent);

/** Say what the page is, above and below its views. */
function introduce() {
  find("name").textContent = contents.name;
  const isModel = contents.kind === "model";
  find("lede").textContent = isModel
    ? "A recurrent language model. It runs here, in your browser, and nothing that you type leaves "
      + "it."
    : `${countOf(contents.texts.length, "text")}, scored token by token by a recurrent language `
      + "model.";
  find("colophon").textContent = `Written by rnnlm ${contents.version}. `
    + "The page is one file: keep it, or send it to a friend.";
}

/** Set up the page of a model. */
async function startModelPage() {
  const source = find("engine").textContent;
  const engine = startEngine(source);
  await engine.ask("load", {contents, source}).answer;
  const allIds = contents.vocabulary.tokens.map((_, id) => id);
  const {tokens: names} = await engine.ask("spell", {ids: allIds}).answer;
  const reading = createReading(engine);
  const textView = setUpTextView(engine, reading, names);
  const unitsView = setUpUnitsView(engine, reading, names);
  setUpTabs({
    "view-generate": setUpGenerateView(engine, names).show,
    "view-units": unitsView.show,
    "view-model": setUpModelView(engine, reading).show,
  });
  await textView.analyse(contents.text);
}

/** Set up the page of scores: one view, without tabs. */
function startScoresPage() {
  for (const element of document.querySelectorAll(".only-model")) {
    element.remove();
  }
  find("view-text").removeAttribute("role");
  find("view-text").removeAttribute("aria-labelledby");
  setUpScoresView();
}

async function start() {
  setUpTheme();
  introduce();
  if (contents.kind === "model") {
    await startModelPage();
  } else {
    startScoresPage();
  }
}

start().catch(error => showError(find("page-error"), `The page could not start. ${error.message}`));
