/* Elements of HTML and SVG. Texts and tokens are data: they become text nodes and attributes, and
   never markup. */

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** Return the element of the page with an id. */
function find(id) {
  return document.getElementById(id);
}

/** Create an HTML element. `attributes` may hold listeners, as functions: {click: ...}. */
function create(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Create an SVG element. */
function createSvg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(name, value);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children);
  return element;
}

/** Create a bar behind a line of text; its length is a share of the line. */
function createBar(share, className = "") {
  const bar = create("span", {class: `bar ${className}`, "aria-hidden": "true"});
  bar.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  return bar;
}

/** Return the pairs of a definition list: each a name and a value. */
function createPairs(pairs) {
  return pairs.map(([name, value]) =>
    create("div", {}, create("dt", {}, name), create("dd", {}, value)));
}

/** Create a table. `columns` are its heads; a cell of {token} is shown in the font of the text. */
function createTable(caption, columns, rows) {
  const cell = (tag, content, attributes) => (typeof content === "object"
    ? create(tag, {...attributes, class: "token"}, content.token)
    : create(tag, attributes, content));
  return create("table", {},
    create("caption", {}, caption),
    create("thead", {}, create("tr", {}, ...columns.map(head => cell("th", head, {scope: "col"})))),
    create("tbody", {}, ...rows.map(row => create("tr", {}, ...row.map((content, index) =>
      (index === 0 ? cell("th", content, {scope: "row"}) : cell("td", content, {})))))));
}

/** Show a message in an element of class error, or hide the element if there is none. */
function showError(element, message) {
  element.hidden = !message;
  element.textContent = message || "";
}
