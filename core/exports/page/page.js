// The page: a pad or a picture, the answer to it, the card. What is asked of the network is answered at once, here.

const told = JSON.parse(document.getElementById("told").textContent);
const at = (id) => document.getElementById(id);
const numbers = decoded(at("numbers").textContent);
const preparation = makePreparation(told.preparation);
const SHEET = told.preparation.sheet; // px a side of a drawing
const NEAREST = 1.5; // px of the canvas between two points of a stroke
const [channels, height, width] = told.shape;

function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (!told.half) return new Float32Array(bytes.buffer);
  return Float32Array.from(new Uint16Array(bytes.buffer), (bits) => {
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
  });
}

// The probabilities of the K classes for an image, Uint8Array (C * H * W).
function probabilities(pixels) {
  const maps = { values: Float32Array.from(pixels), channels, height, width };
  return softmax(applied(told.operations, maps, numbers).values);
}

// The model's image of a prepared drawing, Uint8Array.
function seen({ image }) {
  const { side } = told.preparation;
  const sized = resized({ values: Float32Array.from(image), height: side, width: side }, height, width, FILTERS.bilinear);
  return Uint8Array.from(sized.values, (value) => (told.ground === "light" ? 255 - Math.round(value) : Math.round(value)));
}

// By how much the most probable class stands out: the mean log odds against each other class.
function lead(values) {
  const logs = values.map((value) => Math.log(Math.max(value, told.doubt.tiny))).sort((a, b) => b - a);
  return logs[0] - logs.slice(1).reduce((a, b) => a + b, 0) / (logs.length - 1);
}

function doubt(drawing, values) {
  const { ink, leastLead, knowsNone, sure } = told.doubt;
  if (preparation.standsApart(drawing.pictures.ink)) return "several";
  if (drawing.image.reduce((sum, value) => sum + value, 0) > 255 * ink) return "blot";
  if (lead(values) < leastLead) return knowsNone ? "no_digit" : "unsure";
  return Math.max(...values) < sure ? "unsure" : null;
}

// The answer to a drawing, Uint8Array (n * n): {drawing, values, doubt}; `values` is null if nothing is drawn.
function answered(pixels) {
  const drawing = preparation.prepare(pixels);
  if (!drawing.image) return { drawing, values: null, doubt: "empty" };
  const own = answerTo(drawing);
  const moved = own.doubt && told.doubt.knowsNone && preparation.closed(drawing);
  const other = moved?.image ? answerTo(moved) : null;
  return other && !other.doubt && best(other.values) === told.doubt.open ? other : own;
}

function answerTo(drawing) {
  const values = probabilities(seen(drawing));
  return { drawing, values, doubt: doubt(drawing, values) };
}

const best = (values) => values.indexOf(Math.max(...values));

// The images on which this browser is compared with the original; core/exports/html.py makes the same ones.
function probe(number) {
  let state = number + 1;
  return Uint8Array.from({ length: channels * height * width }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state >>> (24 + (number % 4));
  });
}

function difference() {
  const apart = told.probes.map((row, number) => {
    const own = probabilities(probe(number));
    return Math.max(...row.map((value, k) => Math.abs(value - own[k])));
  });
  return Math.max(...apart);
}

window.bancada = {
  probabilities,
  prepare: (pixels) => Array.from(preparation.prepare(pixels).image ?? new Uint8Array(told.preparation.side ** 2)),
  answered,
  difference,
  fitted,
};

// --- a picture, for a network that does not read digits: as core/drawing/picture.py fits it ---

// Its middle, cropped to the shape of the network's images and resized, Uint8Array (C * H * W), for RGBA pixels.
function fitted(rgba, across, down) {
  const byte = (value) => Math.min(255, Math.max(0, Math.floor(value + 0.5)));
  const asked = width / height;
  const wide = across / down >= asked ? down * asked : across;
  const high = across / down >= asked ? down : across / asked;
  const [left, top] = [(across - wide) / 2, (down - high) / 2];
  const planes = [0, 1, 2].map((channel) => {
    const plane = picture(down, across, (y, x, i) => byte((rgba[4 * i + channel] * rgba[4 * i + 3]) / 255));
    return resized(plane, height, width, FILTERS.bicubic, [left, top, left + wide, top + high], byte).values;
  });
  const size = height * width;
  const values = Uint8Array.from({ length: channels * size }, (_, i) => {
    if (channels === 3) return planes[Math.floor(i / size)][i % size];
    return (19595 * planes[0][i] + 38470 * planes[1][i] + 7471 * planes[2][i] + 32768) >> 16;
  });
  return ground(values) && told.ground && ground(values) !== told.ground ? values.map((value) => 255 - value) : values;
}

// Whether the rim of an image is dark or light, by its median; "" if neither.
function ground(values) {
  const size = height * width;
  const grey = (y, x) => {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += values[channel * size + y * width + x];
    return sum / channels;
  };
  const rim = [];
  for (let x = 0; x < width; x++) rim.push(grey(0, x), grey(height - 1, x));
  for (let y = 0; y < height; y++) rim.push(grey(y, 0), grey(y, width - 1));
  rim.sort((a, b) => a - b);
  const median = (rim[rim.length / 2 - 1] + rim[rim.length / 2]) / 2;
  return median < told.dark ? "dark" : median > told.light ? "light" : "";
}

at("picture").onchange = async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, told.longest / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const image = fitted(data, canvas.width, canvas.height);
    latest = { values: probabilities(image), image };
  } catch {
    latest = { failed: true };
  }
  show();
};

// --- the pad ---

const sheet = at("sheet").getContext("2d", { willReadFrequently: true });
const small = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
small.canvas.width = small.canvas.height = SHEET;
sheet.lineCap = "round";
sheet.strokeStyle = "#fff";
let strokes = [];
let current = null;
let pointer = null; // the id of the pointer that draws: a second finger is ignored
let latest = null; // the answer that is shown

function segment(points, i) {
  const [x, y, wide] = points.slice(i, i + 3);
  const [fromX, fromY] = i ? points.slice(i - 3, i - 1) : [x, y];
  sheet.lineWidth = wide;
  sheet.beginPath();
  sheet.moveTo(fromX, fromY);
  sheet.lineTo(x, y);
  sheet.stroke();
}

function redraw() {
  sheet.fillRect(0, 0, sheet.canvas.width, sheet.canvas.height);
  for (const points of strokes) for (let i = 0; i < points.length; i += 3) segment(points, i);
  answer();
}

// The drawing as SHEET x SHEET bytes, 255 = ink.
function raster() {
  small.imageSmoothingQuality = "high";
  small.drawImage(sheet.canvas, 0, 0, SHEET, SHEET);
  return small.getImageData(0, 0, SHEET, SHEET).data.filter((_, i) => i % 4 === 0);
}

let asked = false; // an answer will be computed before the next frame
function answer() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    latest = answered(raster());
    show();
  });
}

function extend(event) {
  const box = at("sheet").getBoundingClientRect();
  const scale = sheet.canvas.width / box.width;
  const tenth = (number) => Math.round(number * 10) / 10;
  const x = tenth((event.clientX - box.left) * scale);
  const y = tenth((event.clientY - box.top) * scale);
  const pressed = event.pointerType === "pen" ? 0.4 + 1.2 * event.pressure : 1; // only a pen reports its pressure
  if (current.length && Math.hypot(x - current.at(-3), y - current.at(-2)) < NEAREST) return;
  current.push(x, y, tenth(at("width").valueAsNumber * pressed));
  segment(current, current.length - 3);
  answer();
}

at("sheet").onpointerdown = (event) => {
  if (current || event.button) return;
  pointer = event.pointerId;
  at("sheet").setPointerCapture(pointer);
  current = [];
  strokes.push(current);
  extend(event);
};
at("sheet").onpointermove = (event) => {
  if (!current || event.pointerId !== pointer) return;
  const between = event.getCoalescedEvents?.() ?? [];
  for (const each of between.length ? between : [event]) extend(each);
};
at("sheet").onpointerup = at("sheet").onpointercancel = (event) => {
  if (event.pointerId === pointer) current = null;
};
at("undo").onclick = () => {
  strokes.pop();
  redraw();
};
at("clear").onclick = () => {
  strokes = [];
  redraw();
};

// --- what is shown ---

let language = told.first;
const words = () => told.languages[language];
const locale = () => language.replace("_", "-");
const fill = (text, slots) => text.replace(/{(\w+)}/g, (_, name) => slots[name] ?? "");

function percent(value) {
  const shown = value < 1 ? Math.min(value, 0.999) : value; // 100 % only if it is
  return `${(100 * shown).toLocaleString(locale(), { minimumFractionDigits: 1, maximumFractionDigits: 1 })}%`;
}

function make(name, text = "", more = {}) {
  return Object.assign(document.createElement(name), { textContent: text, ...more });
}

function show() {
  const { said, classes } = words();
  const values = latest?.values ?? null;
  at("undo").disabled = at("clear").disabled = !strokes.length;
  if (latest?.failed) at("said").textContent = said.unreadable;
  else if (!values) at("said").textContent = told.digits ? said.empty : said.none;
  else if (latest.doubt) at("said").textContent = said[latest.doubt];
  else at("said").textContent = fill(said.answer, { name: classes[best(values)], percent: percent(Math.max(...values)) });
  const first = values && !latest.doubt ? best(values) : null;
  at("bars").replaceChildren(...classes.map((name, k) => {
    const row = make("tr", "", { className: k === first ? "best" : "" });
    const bar = make("div", "", { className: "bar" });
    bar.style.width = `${100 * (values?.[k] ?? 0)}%`;
    const cell = make("td");
    cell.append(bar);
    row.append(make("th", k === first ? `✓ ${name}` : name, { scope: "row" }), cell, make("td", values ? percent(values[k]) : ""));
    return row;
  }));
  showSteps(said);
}

function showSteps(said) {
  const pictures = latest?.drawing?.pictures ?? {};
  const shown = Object.entries(pictures).map(([name, one]) => [said[`step_${name}`], one.height, one.width, (i) => 255 * one.values[i]]);
  if (latest?.image) shown.push([said.sees, height, width, (i, k) => latest.image[(k % channels) * height * width + i]]);
  at("steps").replaceChildren(...shown.map(([name, down, across, value]) => {
    const canvas = make("canvas", "", { width: across, height: down });
    const context = canvas.getContext("2d");
    const image = context.createImageData(across, down);
    image.data.forEach((_, i) => (image.data[i] = i % 4 === 3 ? 255 : value(Math.floor(i / 4), i % 4)));
    context.putImageData(image, 0, 0);
    const figure = make("figure");
    figure.append(canvas, make("figcaption", name));
    return figure;
  }));
}

let apart = null; // the largest difference of a probability from the original, once it is computed
function speak() {
  const { said, title, facts } = words();
  document.documentElement.lang = locale();
  document.title = at("title").textContent = title;
  for (const name of ["undo", "clear", "pen", "file", "about"]) at(name).textContent = said[name];
  at("sheet").setAttribute("aria-label", said.pad);
  at("facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
  for (const button of at("languages").children) button.setAttribute("aria-pressed", button.lang === locale());
  if (apart !== null) {
    const number = apart.toLocaleString(locale(), { maximumSignificantDigits: 2, notation: "scientific" });
    at("checked").textContent = fill(apart <= told.most ? said.same : said.differs, { difference: number });
  }
  show();
}

for (const [code, { name }] of Object.entries(told.languages)) {
  const button = make("button", name, { type: "button", lang: code.replace("_", "-") });
  button.onclick = () => {
    language = code;
    speak();
  };
  at("languages").append(button);
}
at("draw").hidden = !told.digits;
at("choose").hidden = told.digits;
const wanted = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => Object.keys(told.languages).some((code) => code.startsWith(tag)));
language = Object.keys(told.languages).find((code) => wanted && code.startsWith(wanted)) ?? told.first;
redraw();
speak();
setTimeout(() => {
  apart = difference();
  speak();
});
