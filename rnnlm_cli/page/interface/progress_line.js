/* A line with a progress bar and a Cancel button, for work that takes longer than a moment. */

const PROGRESS_DELAY_MS = 250; // Shorter work shows no bar, which would only flicker.

/** Return {start, finish} for the elements of a progress line in the page. */
function createProgressLine(line) {
  const bar = line.querySelector("progress");
  const note = line.querySelector(".note");
  const button = line.querySelector("button");
  let cancel = () => {};
  let timer = 0;
  button.addEventListener("click", () => cancel());

  /** Begin to show work. Return a function that receives the messages "progress". */
  function start(title, onCancel) {
    finish();
    cancel = onCancel;
    bar.value = 0;
    note.textContent = title;
    timer = setTimeout(() => { line.hidden = false; }, PROGRESS_DELAY_MS);
    return ({done, total}) => {
      bar.value = total > 0 ? done / total : 0;
      note.textContent = `${title}: ${formatCount(done)} of ${formatCount(total)}`;
    };
  }

  function finish() {
    clearTimeout(timer);
    line.hidden = true;
  }

  return {start, finish};
}
