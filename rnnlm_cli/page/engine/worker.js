"use strict";

// The worker of a page: receives {request, type, ...}, and answers with messages
// {request, type: "progress" | "token" | "result" | "error", ...}.

const MAX_TRACED_TOKENS = 40;
const NUM_CANDIDATES = 20;

/** What each request does: a function from (model, message, job) to the fields of the result. */
const HANDLERS = {
  load(model, {contents, source}) {
    const network = makeNetwork(contents);
    if (model.helper) model.helper.terminate();
    Object.assign(model, {
      contents, source, network, tokenizer: makeTokenizer(contents.vocabulary),
      isSentences: contents.sentences, analysis: undefined, prompt: undefined, helper: undefined,
    });
    return {numParameters: network.numParameters};
  },

  async analyse(model, {text}, job) {
    const begin = performance.now();
    const {ids, pieces} = model.tokenizer.encode(text);
    const isLong = ids.length > MAX_EXACT_TOKENS;
    const figures = isLong ? await readLongText(model, ids, job)
      : await readTokens(model.network, ids, 0, ids.length, 1, model.isSentences, job);
    model.analysis = {pieces, units: figures.units, numUnits: countUnits(model.network)};
    const scored = figures.bits.filter(bits => !Number.isNaN(bits));
    const {units, ...shown} = figures;
    return {
      pieces, ids, ...shown,
      totalBits: scored.reduce((sum, bits) => sum + bits, 0), numPredicted: scored.length,
      numRows: isLong && !model.isSentences ? NUM_ROWS : 1,
      seconds: (performance.now() - begin) / 1000,
    };
  },

  async readPart({network, isSentences}, {ids, begin, end}, job) {
    const figures = await readTokens(network, ids, begin, end, NUM_ROWS, isSentences, job);
    return {figures};
  },

  unit(model, {layer, unit}) {
    return {values: readUnitValues(requireAnalysis(model), numberUnit(model.network, layer, unit))};
  },

  async rank(model, message, job) {
    const features = await rankUnits(requireAnalysis(model), job);
    return {features: features.map(feature => (
      {...feature, units: feature.units.map(each => placeUnit(model.network, each))}))};
  },

  unitsAt(model, {position}) {
    const found = findDeviations(requireAnalysis(model), position);
    return {units: found.map(each => placeUnit(model.network, each))};
  },

  places(model, {layer, unit}) {
    const index = numberUnit(model.network, layer, unit);
    return {places: findPlaces(readUnitValues(requireAnalysis(model), index))};
  },

  trace({network, tokenizer, isSentences}, {text}) {
    return {steps: traceText(network, tokenizer, text, isSentences, MAX_TRACED_TOKENS)};
  },

  async generate({network, tokenizer, isSentences}, settings, job) {
    const begin = performance.now();
    const show = token => job.send("token", token);
    const written = await generateText(network, tokenizer, settings, isSentences, job, show);
    const seconds = (performance.now() - begin) / 1000;
    return {...written, seconds, ...(written.reason === "interrupted" ? {cancelled: true} : {})};
  },

  async candidates(model, {text, append}, job) {
    const {network, tokenizer, isSentences} = model;
    // A token that completes no character changes the state and not the text, so only a picked
    // token goes on from the last state.
    const canContinue = append !== undefined && model.prompt && model.prompt.text === text;
    if (!canContinue) {
      model.prompt = await readPrompt(network, tokenizer, text, isSentences, job);
    }
    const piece = append === undefined ? ""
      : appendToken(network, model.prompt, append, isSentences);
    const best = listBest(network, model.prompt.state, NUM_CANDIDATES);
    const candidates = best.map(({id, p}) => ({id, token: spellToken(tokenizer.tokens[id]), p}));
    return {piece, candidates};
  },

  spell({tokenizer}, {ids}) {
    return {tokens: Array.from(ids, id => (id < 0 ? "" : spellToken(tokenizer.tokens[id])))};
  },
};

/** Return the analysis of the last text. */
function requireAnalysis(model) {
  if (model.analysis === undefined) throw new Error("No text has been analysed yet.");
  return model.analysis;
}

/** Return a function that handles the messages of a page; `post` sends one to it. */
function makeHandler(post) {
  const rest = makeRest();
  const jobs = new Map(); // that are at work, by their request
  const model = {};
  return async message => {
    const {request, type} = message;
    if (type === "cancel") {
      if (jobs.has(message.target)) jobs.get(message.target).cancel();
      return;
    }
    const job = makeJob((kind, fields) => post({request, type: kind, ...fields}), rest);
    jobs.set(request, job);
    try {
      if (type !== "load" && model.network === undefined) throw new Error("No model is loaded.");
      if (!Object.hasOwn(HANDLERS, type)) throw new Error(`There is no request "${type}".`);
      job.send("result", await HANDLERS[type](model, message, job));
    } catch (error) {
      if (error === CANCELLED) job.send("result", {cancelled: true});
      else job.send("error", {message: error.message});
    } finally {
      jobs.delete(request);
    }
  };
}

/** Send a message; the figures of a part of a text are handed over, which copies nothing. */
function postFromWorker(message) {
  const handed = message.figures === undefined ? []
    : Object.values(message.figures).map(array => array.buffer);
  self.postMessage(message, handed);
}

const handleMessage = makeHandler(postFromWorker);
self.onmessage = ({data}) => handleMessage(data);
