/* The elements of a long text.

   A text may have hundreds of thousands of tokens, more elements than a browser can lay out
   quickly. So the text lies in blocks of some hundred tokens. A block far from the visible part
   holds its text as one piece, which takes the same room on the page; only near blocks are filled
   with an element for each token. */

const MIN_BLOCK_TOKENS = 200; // A block ends at the next newline after this many tokens,
const MAX_BLOCK_TOKENS = 1500; // and at the latest here, which breaks the line.
const FILL_MARGIN = "400px";

/** Let an element that scrolls show texts in blocks. */
function createBlocks(box) {
  let pieces = [];
  let blocks = []; // {start, end, element, isFilled}
  let classOf = () => "";

  const observer = new IntersectionObserver(entries => {
    for (const {target, isIntersecting} of entries) {
      const block = blocks[Number(target.dataset.block)];
      if (block && block.element === target) {
        (isIntersecting ? fillBlock : emptyBlock)(block);
      }
    }
  }, {root: box, rootMargin: FILL_MARGIN});

  /** Show another text. */
  function setText(newPieces, newClassOf) {
    pieces = newPieces;
    classOf = newClassOf;
    observer.disconnect();
    blocks = cutBlocks(pieces).map(({start, end}, index) => ({
      start, end, isFilled: false,
      element: create("div", {class: "block", role: "presentation", "data-block": index},
        pieces.slice(start, end).join("")),
    }));
    box.replaceChildren(...blocks.map(block => block.element));
    box.scrollTop = 0;
    blocks.slice(0, 2).forEach(fillBlock); // so that the text is never seen without its shades
    blocks.forEach(block => observer.observe(block.element));
  }

  /** Shade the same text in another way. */
  function setShade(newClassOf) {
    classOf = newClassOf;
    for (const block of blocks.filter(each => each.isFilled)) {
      Array.from(block.element.children).forEach((span, index) => {
        const isActive = span.classList.contains("active");
        span.className = classesOf(block.start + index);
        span.classList.toggle("active", isActive);
      });
    }
  }

  function classesOf(position) {
    const piece = pieces[position];
    const form = piece === "\n" ? "newline" : piece === "" ? "empty" : "";
    return `token-span ${form} ${classOf(position)}`;
  }

  function fillBlock(block) {
    if (block.isFilled) {
      return;
    }
    block.isFilled = true;
    const spans = [];
    for (let position = block.start; position < block.end; position += 1) {
      spans.push(create("span", {
        class: classesOf(position), role: "option", "data-position": position,
        "aria-selected": "false", "aria-label": nameOfSpace(pieces[position]),
      }, pieces[position]));
    }
    block.element.replaceChildren(...spans);
  }

  function emptyBlock(block) {
    if (block.isFilled && !block.element.querySelector(".active")) {
      block.isFilled = false;
      block.element.replaceChildren(pieces.slice(block.start, block.end).join(""));
    }
  }

  /** Return the element of a token, after filling its block. */
  function spanAt(position) {
    let low = 0;
    let high = blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (blocks[middle].start <= position) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    fillBlock(blocks[low]);
    return blocks[low].element.children[position - blocks[low].start];
  }

  return {setText, setShade, spanAt};
}

/** Return the name of white space, which has none of its own; null for other pieces. */
function nameOfSpace(piece) {
  return piece.trim() === "" ? speakToken(piece) : null;
}

/** Cut tokens into blocks {start, end}, at newlines where there are any. */
function cutBlocks(pieces) {
  const blocks = [];
  let start = 0;
  for (let position = 0; position < pieces.length; position += 1) {
    const size = position + 1 - start;
    const closesLine = size >= MIN_BLOCK_TOKENS && pieces[position].endsWith("\n");
    if (closesLine || size >= MAX_BLOCK_TOKENS || position === pieces.length - 1) {
      blocks.push({start, end: position + 1});
      start = position + 1;
    }
  }
  return blocks;
}
