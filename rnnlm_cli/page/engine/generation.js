"use strict";

// Texts that grow token by token: new text, and the candidates of the next token.

/**
 * Return a text that the network has read: {text, state, decoder}. Its state predicts what follows.
 *
 * job: see readTokens.
 */
async function readPrompt(network, tokenizer, text, isSentences, job) {
  const state = makeState(network, 1);
  readToken(network, state, BOUNDARY_ID, isSentences);
  const {ids} = tokenizer.encode(text);
  for (let t = 0; t < ids.length; t++) {
    readToken(network, state, ids[t], isSentences);
    if (job.isDue()) await job.pause(t, ids.length);
  }
  predict(network, state);
  return {text, state, decoder: tokenizer.makeDecoder(text)};
}

/** Read one more token of a text. Returns the characters that it adds. */
function appendToken(network, prompt, id, isSentences) {
  const piece = prompt.decoder.feed(id);
  readToken(network, prompt.state, id, isSentences);
  predict(network, prompt.state);
  prompt.text += piece;
  return piece;
}

/**
 * Return a function that holds text back while it can be the beginning of the stop string.
 *
 * It takes the next piece of a text, and returns {shown, isFound}: the characters that can be
 * shown now, and whether the stop string has come. Without a piece it returns all that it holds.
 */
function makeStop(stop) {
  let held = "";
  return piece => {
    if (piece === undefined || !stop) {
      const shown = held + (piece || "");
      held = "";
      return {shown, isFound: false};
    }
    held += piece;
    const found = held.indexOf(stop);
    if (found >= 0) return {shown: held.slice(0, found), isFound: true};
    let size = Math.min(held.length, stop.length - 1);
    while (!stop.startsWith(held.slice(held.length - size))) size--;
    const shown = held.slice(0, held.length - size);
    held = held.slice(held.length - size);
    return {shown, isFound: false};
  };
}

/**
 * Generate a text that continues a prompt.
 *
 * settings: {prompt, temperature, topP, seed, maxTokens, stop}.
 * show: called with each token, {piece, id, p}: the characters that can be shown now, and the
 *     probability that the network gives to the token.
 * Returns {text, reason}; the reason is "length", "stop" or "interrupted".
 */
async function generateText(network, tokenizer, settings, isSentences, job, show) {
  const prompt = await readPrompt(network, tokenizer, settings.prompt, isSentences, job);
  const drawUniform = makeUniforms(settings.seed);
  const filter = makeStop(settings.stop);
  const size = network.config.vocab_size;
  let text = "";
  let reason = "length";
  for (let n = 0; n < settings.maxTokens; n++) {
    if (job.isDue()) await job.rest();
    if (job.isCancelled()) {
      reason = "interrupted";
      break;
    }
    const {logits} = prompt.state;
    const id = drawToken(logits, settings, drawUniform);
    const p = Math.exp(logits[id] - sumLogits(logits, 0, size));
    const {shown, isFound} = filter(appendToken(network, prompt, id, isSentences));
    text += shown;
    show({piece: shown, id, p});
    if (isFound) {
      reason = "stop";
      break;
    }
  }
  if (reason !== "stop") {
    const {shown, isFound} = filter(prompt.decoder.finish());
    text += isFound ? shown : shown + filter().shown;
    if (isFound) reason = "stop";
  }
  return {text, reason};
}

/**
 * Return the network unrolled over a text: what it reads, remembers and predicts at each step.
 *
 * Returns a list of {input, norms, best, target, bits}; norms are the lengths of the h of each
 * layer after the step. The first step reads the boundary, and the last one predicts what follows.
 */
function traceText(network, tokenizer, text, isSentences, maxTokens) {
  const {ids, pieces} = tokenizer.encode(text);
  const numTokens = Math.min(ids.length, maxTokens);
  const spell = id => spellToken(tokenizer.tokens[id]);
  const spellAt = t => (ids[t] === UNKNOWN_ID ? tokenizer.strip(pieces[t]) : spell(ids[t]));
  const state = makeState(network, 1);
  const steps = [];
  for (let t = 0; t <= numTokens; t++) {
    readToken(network, state, t === 0 ? BOUNDARY_ID : ids[t - 1], isSentences);
    predict(network, state);
    const total = sumLogits(state.logits, 0, network.config.vocab_size);
    const logit = t < numTokens ? state.logits[ids[t]] : -Infinity;
    steps.push({
      input: t === 0 ? "\n" : spellAt(t - 1),
      norms: state.layers.map(({h}) => Math.hypot(...h)),
      best: listBest(network, state, NUM_BEST).map(({id, p}) => ({id, token: spell(id), p})),
      target: t < numTokens ? spellAt(t) : null,
      bits: logit === -Infinity ? null : (total - logit) / Math.LN2,
    });
  }
  return steps;
}
