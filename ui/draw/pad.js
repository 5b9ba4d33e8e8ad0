// The drawing pad in the browser. A drawing is a list of strokes; each change of the list is sent to Python once.
// While the pen is down, the drawing is sent to `ui/draw/live_answer.py`, whose answers are shown beside the sheet.
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
  pad.live.listen(data.live);
  return () => {
    pad.live.listen(null);
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
  const live = makeLive(find("live"), raster);
  const pad = { live };

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
    pad.send({ seq: ++sequence, side, pixels: btoa(String.fromCharCode(...raster())), strokes: text });
    showTools();
    live.connect();
  }

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
    find("undo").disabled = !strokes.length;
    find("redo").disabled = !undone.length;
    find("clear").disabled = !visible().length;
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
  pad.clear = (taken) => taken === sequence && clear(); // unless something has been drawn since
  find("pad").onkeydown = (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) redo();
    else undo();
  };

  pad.label = (labels) => {
    for (const name of ["draw", "erase", "undo", "redo", "clear"]) find(name).textContent = labels[name];
    find("word").textContent = labels.width;
    canvas.setAttribute("aria-label", labels.pad);
  };
  return pad;
}

// Shows the image that the model sees and a bar for each class. Only one drawing is sent at a time; when its answer has
// arrived, the newest drawing is sent. A slow server thus gives fewer answers, but no outdated ones.
function makeLive(root, raster) {
  const seen = root.querySelector(".seen");
  const caption = root.querySelector(".caption");
  const bars = root.querySelector(".bars");
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
        show(JSON.parse(message.data));
        if (changed) next();
        else waiting = false;
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

  function show({ side, seen: pixels, caption: words, bars: classes = [], sentence }) {
    caption.textContent = sentence ?? words ?? "";
    seen.hidden = !pixels;
    if (pixels) {
      const image = new ImageData(side, side);
      Array.from(atob(pixels), (byte) => byte.charCodeAt(0)).forEach((grey, i) => {
        image.data.set([grey, grey, grey, 255], 4 * i);
      });
      seen.width = seen.height = side;
      seen.getContext("2d").putImageData(image, 0, 0);
    }
    if (bars.children.length !== classes.length) {
      bars.replaceChildren(...classes.map(() => document.createElement("li")));
      for (const row of bars.children) row.append(...["name", "bar", "share"].map(part));
    }
    classes.forEach((one, k) => {
      const [name, bar, share] = bars.children[k].children;
      name.textContent = one.name;
      bar.style.setProperty("--share", one.share);
      share.textContent = one.text;
      bars.children[k].classList.toggle("best", one.best);
    });
  }

  function part(name) {
    const element = document.createElement("span");
    element.className = name;
    return element;
  }

  show({});
  return { listen, connect, ask };
}
