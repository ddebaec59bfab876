/* Tabs, after the pattern of the ARIA Authoring Practices: arrow keys choose a tab, and Tab goes
   into its view. */

/** Set up the tabs. `onShow` maps the id of a view to a function that runs when it is shown. */
function setUpTabs(onShow) {
  const tabs = Array.from(document.querySelectorAll("[role=tab]"));
  const viewOf = tab => find(tab.getAttribute("aria-controls"));

  function select(chosen) {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      viewOf(tab).hidden = !isChosen;
    }
    const show = onShow[viewOf(chosen).id];
    if (show) {
      show();
    }
  }

  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", event => {
      const wanted = {
        ArrowRight: index + 1, ArrowLeft: index - 1 + tabs.length, Home: 0, End: tabs.length - 1,
      }[event.key];
      if (wanted !== undefined) {
        event.preventDefault();
        const next = tabs[wanted % tabs.length];
        next.focus();
        select(next);
      }
    });
  });
}
