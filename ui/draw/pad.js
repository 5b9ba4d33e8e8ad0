// The drawing pad in the browser. A drawing is a list of strokes; each change of the list is sent to Python once.
// While the pen is down, the drawing is sent to `ui/draw/live_answer.py`, whose answers are shown beside the sheet, where
// the page's own answer is shown too when the pen is lifted (`answers.js`, which stands before this script).
//
// A stroke is {kind, points}: kind is "draw", "erase" or "clear"; points is [x, y, width, x, y, width, ...] in pixels
// of the canvas, whatever size the page shows it at. Clearing is a stroke too, so that it can be undone like any other.

const NEAREST = 1.5; // px between two points of a stroke; a closer point is dropped, since it only takes space

// parentElement -> pad: Streamlit calls the function below again at each change of data or theme.
const pads = new WeakMap();

export default function ({ parentElement, data, setStateValue }) {
  let pad = pads.get(parentElement);
  if (!pad) {
    pads.set(parentElement, (pad = makePad(parentElement, data)));
    pad.restore(data.initial);
  }
  pad.send = (drawing) => setStateValue("drawing", drawing);
  pad.label(data.labels);
  pad.clear(data.taken);
  if (data.answers) pad.answer(data.answers);
  pad.live.listen(data.live);
  return () => {
    pad.live.listen(null);
    pad.forget();
    pads.delete(parentElement);
  };
}

function makePad(root, { side, most }) {
  // `side`: px a side of the image that Python receives; `most`: characters of the strokes as JSON, above which the
  // oldest strokes are dropped.
  const size = 4 * side; // px of the canvas
  const find = (name) => root.querySelector("." + name);
  const canvas = find("sheet");
  const sheet = canvas.getContext("2d");
  const small = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  canvas.width = canvas.height = size;
  small.canvas.width = small.canvas.height = side;
  sheet.lineCap = "round";

  let strokes = []; // finished
  let undone = []; // newest last
  let current = null; // the stroke under the pen
  let pointer = null; // the id of the pointer that draws it: a second finger is ignored
  let tool = "draw";
  let sequence = 0;
  let settled = false; // whether the page has answered the drawing as it is: an answer on its way is an older one
  let empty = ""; // what the page says while nothing is drawn, such as the digit that a round asks for
  const answers = makeAnswers(root);
  const live = makeLive(raster, (answer, isLatest) => {
    if (settled) return;
    answers.show(answer.rows?.length === 0 ? { ...answer, sentence: empty } : answer);
    if (isLatest && !current) answers.wait(false);
    if (answer.layers) document.dispatchEvent(new CustomEvent("bancada-layers", { detail: answer.layers }));
  });
  const pad = { live, raster };

  // --- drawing ---

  function segment(stroke, i) {
    const [x, y, width] = stroke.points.slice(i, i + 3);
    const [fromX, fromY] = i ? stroke.points.slice(i - 3, i - 1) : [x, y];
    sheet.strokeStyle = stroke.kind === "erase" ? "#000" : "#fff";
    sheet.lineWidth = width;
    sheet.beginPath();
    sheet.moveTo(fromX, fromY);
    sheet.lineTo(x, y);
    sheet.stroke();
  }

  function visible() {
    return strokes.slice(strokes.findLastIndex((stroke) => stroke.kind === "clear") + 1);
  }

  function redraw() {
    sheet.fillStyle = "#000";
    sheet.fillRect(0, 0, size, size);
    for (const stroke of visible()) for (let i = 0; i < stroke.points.length; i += 3) segment(stroke, i);
    showTools();
  }

  function raster() {
    // The drawing as side x side bytes, 255 = ink.
    small.imageSmoothingQuality = "high";
    small.drawImage(canvas, 0, 0, side, side);
    return small.getImageData(0, 0, side, side).data.filter((_, i) => i % 4 === 0);
  }

  function commit() {
    let text;
    while ((text = JSON.stringify(visible())).length > most) {
      strokes.shift();
      redraw();
    }
    change();
    pad.send({ seq: ++sequence, side, pixels: btoa(String.fromCharCode(...raster())), strokes: text });
    showTools();
    live.connect();
  }

  function change() {
    settled = false;
    answers.wait(true);
  }

  // What the page answers, and to which drawing.
  pad.answer = ({ to, message, ...words }) => {
    answers.label(words);
    empty = words.empty;
    if (to !== sequence || current) return;
    answers.show(message);
    answers.wait(false);
    settled = true;
  };

  pad.restore = (initial) => {
    sequence = initial?.seq ?? 0;
    try {
      strokes = JSON.parse(initial?.strokes ?? "[]");
      redraw();
    } catch {
      strokes = []; // the message was not made by this script
      redraw();
    }
  };

  // --- the pen ---

  function extend(event) {
    const box = canvas.getBoundingClientRect();
    const scale = size / box.width;
    const tenth = (number) => Math.round(number * 10) / 10;
    const x = tenth((event.clientX - box.left) * scale);
    const y = tenth((event.clientY - box.top) * scale);
    const pressed = event.pointerType === "pen" ? 0.4 + 1.2 * event.pressure : 1; // only a pen reports its pressure
    const points = current.points;
    if (points.length && Math.hypot(x - points.at(-3), y - points.at(-2)) < NEAREST) return;
    points.push(x, y, tenth(find("width").valueAsNumber * pressed));
    segment(current, points.length - 3);
    change();
    live.ask();
  }

  canvas.onpointerdown = (event) => {
    const reversed = event.pointerType === "pen" && event.buttons & 32; // the other end of the pen is an eraser
    if (current || (event.button && !reversed)) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    current = { kind: reversed ? "erase" : tool, points: [] };
    live.connect();
    extend(event);
  };
  canvas.onpointermove = (event) => {
    if (!current || event.pointerId !== pointer) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) extend(each);
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    if (!current || event.pointerId !== pointer) return;
    strokes.push(current);
    undone = [];
    current = null;
    commit();
  };

  // --- the tools ---

  function step(from, to) {
    if (current || !from.length) return;
    to.push(from.pop());
    redraw();
    commit();
  }

  function choose(name) {
    tool = name;
    showTools();
  }

  function showTools() {
    for (const name of ["draw", "erase"]) find(name).setAttribute("aria-pressed", String(tool === name));
    disable("undo", !strokes.length);
    disable("redo", !undone.length);
    disable("clear", !visible().length);
  }

  function disable(name, whether) {
    if (whether && find(name).matches(":focus")) canvas.focus({ preventScroll: true }); // else nothing has the focus
    find(name).disabled = whether;
  }

  const undo = () => step(strokes, undone);
  const redo = () => step(undone, strokes);
  find("draw").onclick = () => choose("draw");
  find("erase").onclick = () => choose("erase");
  find("undo").onclick = undo;
  find("redo").onclick = redo;
  const clear = () => {
    if (current || !visible().length) return;
    strokes.push({ kind: "clear", points: [] });
    undone = [];
    redraw();
    commit();
  };
  find("clear").onclick = clear;
  pad.drop = () => {
    // Also the stroke under the pen: it is of what was asked before.
    if (current) strokes.push(current);
    current = null;
    clear();
  };
  pad.clear = (taken) => taken === sequence && clear(); // unless something has been drawn since
  find("pad").onkeydown = (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) redo();
    else undo();
  };

  const press = (event) => {
    const written = event.composedPath()[0].closest?.("input:not([type=range]), textarea, [contenteditable]");
    if (written || event.ctrlKey || event.metaKey || event.altKey || event.key.toLowerCase() !== "x") return;
    clear();
  };
  document.addEventListener("keydown", press);
  pad.forget = () => document.removeEventListener("keydown", press);

  pad.label = (labels) => {
    for (const name of ["draw", "erase", "undo", "redo"]) find(name).textContent = labels[name];
    find("word").textContent = labels.clear;
    find("wide").textContent = labels.width;
    canvas.setAttribute("aria-label", labels.pad);
  };
  return pad;
}

// Gives what the server answers to `hear`, and whether that is for the newest drawing. Only one drawing is sent at a
// time; when its answer has arrived, and as many milliseconds have gone by as the answer says, the newest drawing is
// sent. A slow server thus gives fewer answers, but no outdated ones.
function makeLive(raster, hear) {
  let address = null;
  let socket = null;
  let waiting = false; // for an answer, or for the connection
  let changed = false; // whether there is a change since the last drawing that was sent

  function listen(to) {
    if (to === address) return;
    address = to;
    socket?.close();
    socket = null;
    connect();
  }

  function connect() {
    // A refused or lost connection is retried with the next stroke, not with each of its points.
    if (!socket && address) {
      const own = (socket = new WebSocket(new URL(address, location.href.replace(/^http/, "ws"))));
      waiting = true;
      own.onopen = () => own === socket && next();
      own.onmessage = (message) => {
        if (own !== socket) return;
        const answer = JSON.parse(message.data);
        hear(answer, !changed);
        setTimeout(() => {
          if (own !== socket) return;
          if (changed) next();
          else waiting = false;
        }, answer.rest);
      };
      own.onclose = () => own === socket && (socket = null);
    }
    ask();
  }

  function ask() {
    changed = true;
    if (socket && !waiting) next();
  }

  function next() {
    waiting = true;
    changed = false;
    socket.send(raster());
  }

  return { listen, connect, ask };
}
