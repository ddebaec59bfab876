/* The candidates of the next token, to pick from by hand. */

/**
 * Set up the list of candidates after what is written.
 * Return {refresh: reads the text again, setEnabled}.
 */
function setUpCandidates(engine, written, names) {
  const list = find("candidates");
  const status = find("pick-status");
  const undo = find("undo-pick");
  let current = [];
  let isEnabled = true;
  let lastRequest = 0;
  const buttons = [];
  makeRoving(list);

  /** Ask for the candidates after the written text, or after it and one more token. */
  async function request(fields) {
    lastRequest += 1;
    const mine = lastRequest;
    list.setAttribute("aria-busy", "true");
    try {
      const result = await engine.ask("candidates", {text: written.text(), ...fields}).answer;
      if (mine !== lastRequest || result.cancelled) {
        return null;
      }
      current = result.candidates;
      return result;
    } catch (error) {
      showError(find("generate-error"), error.message);
      return null;
    } finally {
      if (mine === lastRequest) {
        list.setAttribute("aria-busy", "false");
      }
    }
  }

  async function refresh() {
    undo.disabled = !isEnabled || written.lastKind() !== "picked";
    if (await request({})) {
      show();
    }
  }

  async function pick(index) {
    if (!isEnabled || index >= current.length || list.getAttribute("aria-busy") === "true") {
      return;
    }
    const {id, token, p} = current[index];
    const result = await request({append: id});
    if (result) {
      written.append(result.piece, "picked");
      undo.disabled = false;
      status.textContent = `Chose ${speakToken(token)}, ${formatProbability(p)}.`;
      show();
    }
  }

  /** Show the candidates in the same buttons, so that the keyboard's focus stays where it is. */
  function show() {
    while (buttons.length < current.length) {
      const index = buttons.length;
      buttons.push(list.appendChild(create("button", {
        type: "button", tabindex: index === 0 ? 0 : -1, click: () => pick(index),
      })));
    }
    buttons.forEach((button, index) => { button.hidden = index >= current.length; });
    current.forEach(({id, p}, index) => {
      const name = `${speakToken(names[id])}, ${formatProbability(p)}`;
      buttons[index].setAttribute("aria-label", name);
      buttons[index].replaceChildren(
        createBar(p),
        create("span", {class: "key"}, index < 9 ? `${index + 1}` : ""),
        create("span", {class: "name"}, showToken(names[id])),
        create("span", {class: "figure"}, formatProbability(p)));
    });
  }

  list.addEventListener("keydown", event => {
    if (/^[1-9]$/.test(event.key) && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault();
      pick(Number(event.key) - 1);
    }
  });
  undo.addEventListener("click", () => {
    written.removeLast();
    status.textContent = "The last choice was undone.";
    refresh();
  });

  return {
    refresh,
    setEnabled(enabled) {
      isEnabled = enabled;
      undo.disabled = !enabled || written.lastKind() !== "picked";
    },
  };
}
