"use strict";

// A second worker that reads the second half of a long text, so that two processor cores are used.

/**
 * Start a worker of the same script as this one, with the same model; null if that is impossible.
 *
 * source: the script. A page that was opened from a file does not give its address to workers.
 */
function startHelper(source, contents) {
  if (!source || typeof Worker === "undefined" || navigator.hardwareConcurrency < 2) return null;
  let helper;
  try {
    helper = new Worker(URL.createObjectURL(new Blob([source], {type: "text/javascript"})));
  } catch (error) {
    return null; // one worker does all of the work then
  }
  helper.postMessage({request: 0, type: "load", contents});
  return helper;
}

/**
 * Let a helper read tokens begin to end of a text.
 *
 * Returns {figures, numDone, stop}: a promise of the figures, which are null if the helper fails
 * or is stopped; a function that tells how many tokens are done; and a function that ends it.
 */
function askHelper(helper, ids, begin, end) {
  let numDone = 0;
  let settle;
  const figures = new Promise(resolve => { settle = resolve; });
  helper.onmessage = ({data}) => {
    if (data.type === "progress") numDone = data.done;
    else if (data.type === "error") settle(null);
    else if (data.figures !== undefined) settle(data.figures);
  };
  helper.onerror = () => settle(null);
  helper.postMessage({request: 1, type: "readPart", ids, begin, end});
  const stop = () => {
    helper.terminate();
    settle(null);
  };
  return {figures, numDone: () => numDone, stop};
}

/** Read a long text: the second half of it in a helper, if there is one. */
async function readLongText(model, ids, job) {
  const {network, contents, isSentences} = model;
  const read = (begin, end, partJob) => (
    readTokens(network, ids, begin, end, NUM_ROWS, isSentences, partJob));
  const helper = model.helper || startHelper(model.source, contents);
  model.helper = undefined; // it has work until it is put back
  if (helper === null) return read(0, ids.length, job);
  const half = Math.ceil(ids.length / 2);
  const middle = isSentences ? findLineStart(ids, half, ids.length) : half;
  const other = askHelper(helper, ids, middle, ids.length);
  job.onCancel = other.stop;
  const first = await read(0, middle, {
    ...job, pause: done => job.pause(done + other.numDone(), ids.length),
  });
  let second = await other.figures;
  if (job.isCancelled()) throw CANCELLED;
  if (second === null) {
    helper.terminate();
    second = await read(middle, ids.length, {
      ...job, pause: done => job.pause(done + middle, ids.length),
    });
  } else if (model.contents === contents && model.helper === undefined) {
    model.helper = helper;
  } else {
    helper.terminate();
  }
  return joinFigures([first, second]);
}
