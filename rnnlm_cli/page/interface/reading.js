/* The text that was analysed last. The views Text, Units and Model show the same one. */

/** Return the store of the analysed text. `onChange` listeners run after each analysis. */
function createReading(engine) {
  const listeners = [];
  let running = null;
  const reading = {
    text: null,
    result: null, // the answer to "analyse"
    onChange: listener => listeners.push(listener),
    analyse,
    cancel: () => running && running.cancel(),
  };

  /** Analyse a text, instead of one that is still being analysed.
      Return "finished", "cancelled", or "replaced" by a later text. */
  async function analyse(text, watch) {
    reading.cancel();
    const request = engine.ask("analyse", {text}, watch);
    running = request;
    const result = await request.answer;
    if (running !== request) {
      return "replaced";
    }
    running = null;
    if (result.cancelled) {
      return "cancelled";
    }
    reading.text = text;
    reading.result = result;
    await Promise.all(listeners.map(listener => listener()));
    return "finished";
  }

  return reading;
}
