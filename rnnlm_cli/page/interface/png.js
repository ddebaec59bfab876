/* Pictures as PNG files: of an SVG, and of a shaded text, which is drawn anew on a canvas. */

const PNG_SCALE = 2; // pixels for each unit of the page
const PNG_WIDTH = 960;
const PNG_MARGIN = 32;
const PNG_FONT_SIZE = 15;
const PNG_LINE_HEIGHT = 26;
const MAX_PNG_LINES = 250; // Browsers limit the height of a canvas.
const SVG_STYLES = ["fill", "stroke", "stroke-width", "font-size", "font-family", "font-weight",
  "stroke-linejoin", "text-anchor", "paint-order"];

/** Return the value of a custom property of style.css in the present theme. */
function colourOf(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Let the reader save a canvas as a file. */
async function saveCanvas(canvas, fileName) {
  const blob = await new Promise(resolve => canvas.toBlob(resolve, "image/png"));
  const address = URL.createObjectURL(blob);
  create("a", {href: address, download: fileName}).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function createCanvas(width, height) {
  const canvas = create("canvas", {width: width * PNG_SCALE, height: height * PNG_SCALE});
  const pen = canvas.getContext("2d");
  pen.scale(PNG_SCALE, PNG_SCALE);
  pen.fillStyle = colourOf("surface");
  pen.fillRect(0, 0, width, height);
  pen.textBaseline = "middle";
  return {canvas, pen};
}

/** Save an SVG element of the page. Its styles become attributes, as the file has no style sheet. */
async function saveSvg(svg, fileName) {
  const copy = svg.cloneNode(true);
  const originals = svg.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((element, index) => {
    const style = getComputedStyle(originals[index]);
    for (const name of SVG_STYLES) {
      element.setAttribute(name, style.getPropertyValue(name));
    }
  });
  const {width, height} = svg.viewBox.baseVal;
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const source = new XMLSerializer().serializeToString(copy);
  const address = URL.createObjectURL(new Blob([source], {type: "image/svg+xml"}));
  const image = new Image();
  image.src = address;
  await image.decode();
  URL.revokeObjectURL(address);
  const {canvas, pen} = createCanvas(width + 2 * PNG_MARGIN, height + 2 * PNG_MARGIN);
  pen.drawImage(image, PNG_MARGIN, PNG_MARGIN, width, height);
  await saveCanvas(canvas, fileName);
}

/** Save a shaded text: its title, the legend of its shading, and its first lines. */
async function saveShadedText(text, shading, fileName) {
  const pieces = text.pieces();
  const mono = `${PNG_FONT_SIZE}px ${colourOf("mono")}`;
  const sans = `${PNG_FONT_SIZE - 2}px ${colourOf("sans")}`;
  const {places, numLines} = layOut(pieces, mono);
  const top = PNG_MARGIN + 2 * PNG_LINE_HEIGHT;
  const cut = places.length < pieces.length;
  const height = top + (numLines + (cut ? 2 : 0)) * PNG_LINE_HEIGHT + PNG_MARGIN;
  const {canvas, pen} = createCanvas(PNG_WIDTH, height);
  pen.font = sans;
  drawLegend(pen, shading);
  pen.font = mono;
  places.forEach(({x, line, width, shown}, position) => {
    const y = top + line * PNG_LINE_HEIGHT;
    const className = shading.classOf(position);
    if (/^(heat|warm|cool)/.test(className)) {
      pen.fillStyle = colourOf(className);
      pen.fillRect(x, y + 2, width, PNG_LINE_HEIGHT - 4);
    }
    pen.fillStyle = colourOf("ink");
    pen.fillText(shown, x, y + PNG_LINE_HEIGHT / 2);
  });
  if (cut) {
    pen.font = sans;
    pen.fillStyle = colourOf("muted");
    const note = `The first ${formatCount(places.length)} of ${formatCount(pieces.length)} tokens`;
    pen.fillText(note, PNG_MARGIN, height - PNG_MARGIN - PNG_LINE_HEIGHT / 2);
  }
  await saveCanvas(canvas, fileName);
}

/** Break tokens into lines. Return {places: [{x, line, width, shown}], numLines}. */
function layOut(pieces, font) {
  const pen = create("canvas").getContext("2d");
  pen.font = font;
  const places = [];
  let x = PNG_MARGIN;
  let line = 0;
  for (const piece of pieces) {
    const shown = piece === "\n" ? "\u21b5" : piece.replace(/\n/g, "").replace(/\t/g, "    ");
    const {width} = pen.measureText(shown);
    if (x + width > PNG_WIDTH - PNG_MARGIN && x > PNG_MARGIN) {
      x = PNG_MARGIN;
      line += 1;
    }
    if (line >= MAX_PNG_LINES) {
      break;
    }
    places.push({x, line, width, shown});
    x += width;
    if (piece.endsWith("\n")) {
      x = PNG_MARGIN;
      line += 1;
    }
  }
  return {places, numLines: line + 1};
}

function drawLegend(pen, {title, legend}) {
  const y = PNG_MARGIN + 6;
  let x = PNG_MARGIN;
  const write = (text, colour) => {
    pen.fillStyle = colourOf(colour);
    pen.fillText(text, x, y);
    x += pen.measureText(text).width + 10;
  };
  write(title, "ink");
  write(legend.before, "muted");
  for (const [className, label] of legend.swatches) {
    const width = pen.measureText(label).width + 12;
    pen.fillStyle = colourOf(className || "surface");
    pen.fillRect(x, y - 10, width, 20);
    pen.strokeStyle = colourOf("rule");
    pen.strokeRect(x, y - 10, width, 20);
    pen.fillStyle = colourOf("ink");
    pen.fillText(label, x + 6, y);
    x += width;
  }
  x += 10;
  write(legend.after, "muted");
  pen.textAlign = "right";
  x = PNG_WIDTH - PNG_MARGIN;
  write(contents.name, "muted");
  pen.textAlign = "left";
}

/** Return the name of a picture's file: the page's name without its ending, and the subject. */
function pictureName(subject) {
  return `${contents.name.replace(/\.[^.]*$/, "").replace(/[^\w.-]+/g, "-")}-${subject}.png`;
}
