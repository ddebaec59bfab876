/* Lists of buttons that are one stop of the Tab key: arrow keys, Home and End move inside. */

/** Let the keyboard walk through the buttons of an element with role toolbar. */
function makeRoving(list) {
  const steps = {ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1};
  list.addEventListener("keydown", event => {
    const buttons = Array.from(list.querySelectorAll("button"));
    const index = buttons.indexOf(document.activeElement);
    const isEdge = event.key === "Home" || event.key === "End";
    if (index < 0 || !(event.key in steps || isEdge)) {
      return;
    }
    event.preventDefault();
    const last = buttons.length - 1;
    const wanted = isEdge ? (event.key === "Home" ? 0 : last) : index + steps[event.key];
    buttons[Math.min(last, Math.max(0, wanted))].focus();
  });
  list.addEventListener("focusin", event => {
    for (const button of list.querySelectorAll("button")) {
      button.tabIndex = button === event.target ? 0 : -1;
    }
  });
}

/** Show buttons in a roving list; the first one is the stop of the Tab key. */
function showButtons(list, buttons) {
  buttons.forEach((button, index) => { button.tabIndex = index === 0 ? 0 : -1; });
  list.replaceChildren(...buttons);
}

/** Create the row of a unit. `mark` is a word beside it, `figure` its number, `bar` optional. */
function createUnitRow(unit, {mark, figure, bar, onChoose}) {
  return create("button", {
    type: "button", "aria-pressed": "false", "data-unit": `${unit.layer}:${unit.unit}`,
    click: () => onChoose(unit),
  },
  ...(bar ? [bar] : []),
  create("span", {}, nameUnit(unit)),
  create("span", {class: "mark"}, mark),
  create("span", {}, figure));
}

/** Mark the rows of the chosen unit as pressed. */
function pressUnit(lists, {layer, unit}) {
  for (const list of lists) {
    for (const row of list.querySelectorAll("[data-unit]")) {
      row.setAttribute("aria-pressed", String(row.dataset.unit === `${layer}:${unit}`));
    }
  }
}
