/* A text in which each token has a shade. It is one stop of the Tab key; inside, the arrow keys
   move from token to token. */

const PAGE_LINES = 10;

/**
 * Turn an element with role listbox into a shaded text.
 *
 * onShow(position): the pointer or the keyboard has come to a token; null when it has left.
 * onChoose(position): a token was clicked, or Enter was pressed on it.
 * describe(position): the sentence that a screen reader says about a token.
 */
function createShadedText(box, {onShow, onChoose = () => {}, describe}) {
  const blocks = createBlocks(box);
  let pieces = [];
  let active = -1; // the position that the keyboard has reached; -1: none yet

  /** Show another text. */
  function setText(newPieces, classOf) {
    pieces = newPieces;
    active = -1;
    box.removeAttribute("aria-activedescendant");
    blocks.setText(pieces, classOf);
  }

  /** Make a token the active one, and bring it into view. */
  function moveTo(position) {
    if (active >= 0) {
      const name = nameOfSpace(pieces[active]) || pieces[active];
      mark(active, {isActive: false, id: "", name});
    }
    active = position;
    const id = `${box.id}-active`;
    bringIntoView(mark(position, {isActive: true, id, name: describe(position)}));
    box.setAttribute("aria-activedescendant", id);
    onShow(position);
  }

  function mark(position, {isActive, id, name}) {
    const span = blocks.spanAt(position);
    span.classList.toggle("active", isActive);
    span.id = id;
    span.setAttribute("aria-selected", String(isActive));
    span.setAttribute("aria-label", name);
    return span;
  }

  /** Scroll the box alone: scrollIntoView would move the page under the pointer, too. */
  function bringIntoView(span) {
    const place = span.getBoundingClientRect();
    const frame = box.getBoundingClientRect();
    const margin = 2 * place.height;
    if (place.top < frame.top + margin) {
      box.scrollTop -= frame.top + margin - place.top;
    } else if (place.bottom > frame.bottom - margin) {
      box.scrollTop += place.bottom - frame.bottom + margin;
    }
  }

  /** Return the position some visual lines further down (or up), near the same column. */
  function positionOnLine(numLines) {
    const direction = Math.sign(numLines);
    const start = blocks.spanAt(active).getClientRects()[0];
    const column = start.left + 0.5;
    let {top} = start;
    let linesLeft = Math.abs(numLines);
    let position = active;
    for (;;) {
      const next = position + direction;
      if (next < 0 || next >= pieces.length) {
        return position;
      }
      const place = blocks.spanAt(next).getClientRects()[0];
      if (Math.abs(place.top - top) > place.height / 2) {
        if (linesLeft === 0) {
          return position; // The line ends before the column.
        }
        linesLeft -= 1;
        top = place.top;
      }
      position = next;
      if (linesLeft === 0 && (direction > 0 ? place.right > column : place.left <= column)) {
        return position;
      }
    }
  }

  const KEYS = {
    ArrowRight: () => active + 1,
    ArrowLeft: () => active - 1,
    ArrowDown: () => positionOnLine(1),
    ArrowUp: () => positionOnLine(-1),
    PageDown: () => positionOnLine(PAGE_LINES),
    PageUp: () => positionOnLine(-PAGE_LINES),
    Home: () => 0,
    End: () => pieces.length - 1,
  };

  box.addEventListener("keydown", event => {
    if (pieces.length === 0 || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    if (event.key in KEYS) {
      event.preventDefault();
      moveTo(Math.min(pieces.length - 1, Math.max(0, KEYS[event.key]())));
    } else if ((event.key === "Enter" || event.key === " ") && active >= 0) {
      event.preventDefault();
      onChoose(active);
    }
  });
  box.addEventListener("focus", () => {
    if (pieces.length > 0 && box.matches(":focus-visible")) {
      moveTo(Math.max(0, active));
    }
  });
  const positionOf = event => {
    const span = event.target.closest("[data-position]");
    return span ? Number(span.dataset.position) : null;
  };
  box.addEventListener("pointerover", event => {
    const position = positionOf(event);
    if (position !== null) {
      onShow(position);
    }
  });
  box.addEventListener("pointerleave", () => onShow(active >= 0 ? active : null));
  box.addEventListener("click", event => {
    const position = positionOf(event);
    if (position !== null) {
      moveTo(position);
      onChoose(position);
    }
  });

  return {setText, setShade: blocks.setShade, moveTo, pieces: () => pieces};
}
