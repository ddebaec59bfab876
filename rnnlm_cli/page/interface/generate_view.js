/* The view Generate: the model goes on from a prompt, or the reader picks each token by hand. */

const DRAWING_PAUSE_MS = 16;
const MAX_SEED = 2 ** 32; // of the seeds that the page draws

/** Set up the view. Return {show: to be called when the view becomes visible}. */
function setUpGenerateView(engine, names) {
  const prompt = find("prompt");
  const status = find("generate-status");
  const written = createWritten(find("written"));
  const candidates = setUpCandidates(engine, written, names);
  let running = null;
  let timer = 0;

  async function generate(start) {
    const seed = find("seed").value === ""
      ? Math.floor(Math.random() * MAX_SEED) : Number(find("seed").value);
    const settings = {
      prompt: start, seed,
      temperature: Number(find("temperature").value),
      topP: Number(find("top-p").value),
      maxTokens: Number(find("max-tokens").value),
      stop: readEscapes(find("stop").value),
    };
    let numTokens = 0;
    let numCharacters = 0;
    showError(find("generate-error"), null);
    setRunning(true);
    status.textContent = "Writing \u2026";
    try {
      running = engine.ask("generate", settings, ({type, piece}) => {
        if (type === "token") { // A long prompt sends "progress" first.
          numTokens += 1;
          numCharacters += piece.length;
          written.append(piece, "generated");
        }
      });
      const result = await running.answer;
      const {text = "", seconds = 0} = result; // A prompt that was not read whole has neither.
      written.append(text.slice(numCharacters), "generated"); // what the stop string held back
      written.draw();
      status.textContent = `${countOf(numTokens, "token")} in ${formatSeconds(seconds)}, `
        + `seed ${seed}${endingOf(result)}.`;
    } catch (error) {
      status.textContent = "";
      showError(find("generate-error"), error.message);
    }
    setRunning(false);
    candidates.refresh();
  }

  function endingOf({reason, cancelled}) {
    return cancelled ? "; interrupted" : reason === "stop" ? "; stopped at the stop string" : "";
  }

  function setRunning(isRunning) {
    find("generate").disabled = find("generate-continue").disabled = isRunning;
    find("generate-stop").disabled = !isRunning;
    candidates.setEnabled(!isRunning);
  }

  find("generate-form").addEventListener("submit", event => {
    event.preventDefault();
    clearTimeout(timer);
    written.reset(prompt.value);
    generate(prompt.value);
  });
  find("generate-continue").addEventListener("click", () => {
    if (find("generate-form").reportValidity()) {
      generate(written.text());
    }
  });
  find("generate-stop").addEventListener("click", () => running.cancel());
  find("copy").addEventListener("click", async () => {
    await copyText(written.text());
    status.textContent = "Copied.";
  });
  prompt.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!find("generate").disabled) { // While the model writes, its text stays.
        written.reset(prompt.value);
        candidates.refresh();
      }
    }, TYPING_PAUSE_MS);
  });

  find("temperature").value = contents.sampling.temperature ?? 1;
  find("top-p").value = contents.sampling.top_p ?? 1;
  written.reset("");
  let isShown = false;
  return {
    show() {
      if (!isShown) {
        isShown = true;
        candidates.refresh();
      }
    },
  };
}

/** Turn an element into a text of parts: the prompt, what was generated, what was picked. */
function createWritten(element) {
  let parts = []; // {kind, text, node, numDrawn}
  let timer = 0;
  let pause = DRAWING_PAUSE_MS;

  function reset(text) {
    parts = [];
    element.replaceChildren();
    append(text, "prompt");
  }

  /** Append characters. Generated ones go on in the part before; each pick is its own. */
  function append(text, kind) {
    const last = parts[parts.length - 1];
    if (last && last.kind === "generated" && kind === "generated") {
      last.text += text;
    } else {
      const node = document.createTextNode("");
      element.append(create("span", {class: kind}, node));
      parts.push({kind, text, node, numDrawn: 0});
    }
    if (kind === "generated") {
      timer = timer || setTimeout(draw, pause);
    } else {
      draw();
    }
  }

  /** Draw what has come. Tokens come faster than the screen changes, and the layout of a long text
      takes long, so that drawing gets at most a fifth of the time. */
  function draw() {
    clearTimeout(timer);
    timer = 0;
    const begin = performance.now();
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    for (const part of parts) {
      part.node.appendData(part.text.slice(part.numDrawn));
      part.numDrawn = part.text.length;
    }
    if (isAtEnd) {
      element.scrollTop = element.scrollHeight;
    }
    pause = Math.max(DRAWING_PAUSE_MS, 4 * (performance.now() - begin));
  }

  function removeLast() {
    parts.pop().node.parentElement.remove();
  }

  const text = () => parts.map(part => part.text).join("");
  const lastKind = () => parts[parts.length - 1].kind;
  return {reset, append, draw, removeLast, text, lastKind};
}

/** Copy a text. Pages opened from a file have no navigator.clipboard in some browsers. */
async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text).catch(() => copyBySelection(text));
  } else {
    copyBySelection(text);
  }
}

function copyBySelection(text) {
  const field = create("textarea", {class: "hidden-label"});
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
