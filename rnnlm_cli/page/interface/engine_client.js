/* The engine works in a thread of its own (a Web Worker), so that the page stays responsive. Each
   request has a number, and the answers carry it. */

/** Start the engine from its source text. */
function startEngine(source) {
  const address = URL.createObjectURL(new Blob([source], {type: "text/javascript"}));
  const worker = new Worker(address);
  const pending = new Map();
  let lastRequest = 0;

  worker.onmessage = ({data}) => {
    const request = pending.get(data.request);
    if (!request) {
      return;
    }
    if (data.type === "progress" || data.type === "token") {
      request.watch(data);
      return;
    }
    pending.delete(data.request);
    if (data.type === "result") {
      request.resolve(data);
    } else {
      request.reject(new Error(data.message));
    }
  };
  worker.onerror = event => {
    event.preventDefault();
    for (const request of pending.values()) {
      request.reject(new Error(`The engine failed: ${event.message}.`));
    }
    pending.clear();
  };

  /** Send a request. Return {answer: a promise of the result, cancel: a function}.
      `watch` receives the messages "progress" and "token" before the result. */
  function ask(type, fields = {}, watch = () => {}) {
    lastRequest += 1;
    const request = lastRequest;
    const answer = new Promise((resolve, reject) => pending.set(request, {resolve, reject, watch}));
    worker.postMessage({request, type, ...fields});
    return {answer, cancel: () => worker.postMessage({request: 0, type: "cancel", target: request})};
  }

  return {ask};
}
