// The wall of a class. `ui/classroom/live_wall.py` says what a message holds, `wall.py` what `data` holds.

const walls = new WeakMap(); // parentElement -> wall: Streamlit calls the function below at each change of data
let pointed = true; // what has the focus was clicked on, perhaps before this script came or the wall was drawn anew
const RETRY = 1000; // ms until a lost connection is tried again
const WIDEST = 120, NARROWEST = 30, NAMED = 56; // px of a drawing: at most, at least, and from which a name fits
const WIDEST_MAP = 120, NARROWEST_MAP = 12; // px of a feature map

export default function ({ parentElement, data, setTriggerValue }) {
  let wall = walls.get(parentElement);
  if (!wall) walls.set(parentElement, (wall = makeWall(parentElement)));
  wall.set(data, setTriggerValue);
  return () => {
    wall.forget();
    walls.delete(parentElement);
  };
}

function makeWall(root) {
  const find = (name) => root.querySelector("." + name);
  const tiles = new Map(); // number of a drawing -> its button
  let data = null;
  let trigger = () => {};
  let socket = null;
  let round = null;
  let ends = null; // of the round, on the clock of `performance.now()`
  let large = null; // the number of the drawing that is shown large
  let latest = null; // message
  let named = ""; // the names, and the room that they have
  let asked = null; // what everybody looks at: when it is another one, it comes into sight

  function goOn() {
    if (large === null) trigger("next", Date.now());
    else enlarge(null);
  }

  const point = () => (pointed = true);

  // A button that was clicked on keeps the focus, but the space bar is not meant for it, as it is after a Tab.
  function press(event) {
    const target = event.composedPath()[0];
    if (event.key === "Escape") enlarge(null);
    if (event.key !== " " && event.key !== "Escape") pointed = false; // which closes what the button has opened
    if (event.key !== " " || event.ctrlKey || event.altKey || event.metaKey) return;
    const control = target.closest?.("button, input, textarea, select, a, [role=radio], [role=combobox], [contenteditable]");
    if (control && !(pointed && control.matches("button, [role=radio]"))) return;
    control?.blur();
    event.preventDefault();
    goOn();
  }

  function connect() {
    const own = (socket = new WebSocket(new URL(data.live, location.href.replace(/^http/, "ws"))));
    own.onmessage = (message) => {
      if (own !== socket) return;
      hear(JSON.parse(message.data));
    };
    own.onclose = ({ code }) => {
      if (own !== socket) return;
      if (code === 1000) return trigger("ended", Date.now()); // the class, perhaps from another tab
      find("lost").textContent = data.words.lost;
      setTimeout(() => own === socket && connect(), RETRY);
    };
  }

  function hear(message) {
    latest = message;
    find("lost").textContent = message.failed;
    if (round !== message.round) {
      round = message.round;
      for (const tile of tiles.values()) tile.remove();
      tiles.clear();
      enlarge(null);
    }
    ends = message.left === null ? null : performance.now() + 1000 * message.left;
    find("question").textContent = message.question;
    find("arrived").textContent = message.frozen ? `${data.words.frozen} ${message.arrived}` : message.arrived;
    find("joined").textContent = message.joined;
    find("code").textContent = message.code;
    find("code").classList.toggle("long", Boolean(message.longer));
    find("unreached").textContent = message.nobody ? data.unreached : "";
    find("longer").textContent = message.longer;
    arrangeNames();
    const on = new Set(message.on.map((one) => one.number));
    for (const [number, tile] of tiles) if (!on.has(number)) tile.remove(), tiles.delete(number);
    for (const one of message.on) {
      if (!tiles.has(one.number)) {
        const tile = element("button", "", { type: "button", className: "tile" });
        tile.append(element("img", "", { src: one.picture, alt: "" }), element("b", ""), element("i", ""));
        tile.querySelector("b").append(element("span", ""), element("span", ""));
        tile.onclick = () => enlarge(one.number);
        tiles.set(one.number, tile);
        find("tiles").prepend(tile); // the newest first
      }
      const tile = tiles.get(one.number);
      tile.classList.toggle("wrong", one.right === false);
      const sign = one.right === null ? "" : one.right ? "✓" : "✗"; // none where no model could read it
      const said = `${one.label} → ${one.read} ${sign}`;
      const [long, short] = tile.querySelectorAll("span"); // the short one where there is no room
      long.textContent = said;
      short.textContent = one.right ? sign : `${sign} ${one.read}`;
      tile.querySelector("i").textContent = one.name;
      tile.setAttribute("aria-label", `${said} ${one.name}`);
    }
    find("empty").textContent = tiles.size ? "" : data.words.empty;
    arrange();
    find("models").replaceChildren(...message.models.map(makeBar));
    find("caption").textContent = message.caption;
    find("matrix").hidden = !message.matrix;
    if (message.matrix) {
      const names = message.matrix.map((_, k) => String(k));
      fillMatrix(find("matrix"), { counts: message.matrix, names, caption: data.words.matrix_of });
    }
    const hardest = message.hardest;
    find("hardest").hidden = !hardest;
    if (hardest) {
      const said = `${data.words.hardest} ${hardest.label} → ${hardest.read} ✗ ${hardest.name}`;
      find("hardest").querySelector("img").src = hardest.picture;
      find("hardest").querySelector("span").textContent = said;
    }
    if (message.off.includes(large)) enlarge(null); // perhaps in another tab
    const kind = message.quiz ? "quiz" : message.look ? "look" : "tiles";
    find("showing").dataset.kind = kind;
    if (message.quiz) ask(message.quiz);
    if (message.look) {
      find("question").textContent = message.look.title;
      find("arrived").textContent = "";
      ends = null;
      fillLook(find("look"), { ...message.look, title: "" });
    }
    if (kind !== "tiles") enlarge(null);
    const now = JSON.stringify([kind, message.round, message.quiz?.of, message.quiz?.stage, message.look?.title]);
    if (asked !== null && asked !== now) comeIntoSight();
    asked = now;
  }

  // The controls of a presented page are below the wall: whoever has clicked there has scrolled the question away.
  function comeIntoSight() {
    if (root.querySelector(".class").getBoundingClientRect().top < 0) root.querySelector(".class").scrollIntoView();
  }

  // Those names that do not fit are counted.
  function arrangeNames() {
    const box = find("who");
    const names = latest?.names ?? [];
    const now = JSON.stringify([names, box.clientWidth, box.clientHeight, find("unreached").textContent]);
    if (now === named) return;
    named = now;
    const list = find("names");
    list.replaceChildren(...names.map((name) => element("li", name)));
    if (box.scrollHeight <= box.clientHeight) return;
    const more = element("li", "");
    list.append(more);
    for (let left = 1; left <= names.length && box.scrollHeight > box.clientHeight; left++) {
      more.previousElementSibling.remove();
      more.textContent = `+${left}`;
    }
  }

  // The drawings are as large as they can be for all of them to be in sight.
  function arrange() {
    const box = find("tiles");
    const [width, height] = [box.clientWidth - 1, box.clientHeight]; // which are rounded
    if (height <= 0 || !tiles.size) return;
    const text = parseFloat(getComputedStyle(box).fontSize) * 1.25;
    const named = latest.on.some((one) => one.name);
    let side = WIDEST;
    for (; side > NARROWEST; side -= 2) {
      const lines = 1 + (side >= NAMED && named);
      const columns = Math.floor((width + 6) / (side + 12));
      if (columns && Math.ceil(tiles.size / columns) * (side + lines * text + 14) <= height) break;
    }
    box.style.setProperty("--side", `${side}px`);
    box.classList.toggle("small", side < NAMED);
  }

  // You or the model: the image and what was answered on the left, the two bars on the right.
  function ask(quiz) {
    ends = quiz.left === null ? null : performance.now() + 1000 * quiz.left;
    find("question").textContent = quiz.question;
    find("arrived").textContent = [quiz.of, quiz.answered].filter(Boolean).join(" · ");
    const picture = find("picture");
    picture.hidden = !quiz.picture;
    if (quiz.picture) picture.src = quiz.picture;
    find("covered").hidden = Boolean(quiz.picture) || quiz.stage === "end";
    find("says").textContent = quiz.says ?? "";
    const most = Math.max(1, ...(quiz.counts ?? []).map(([, count]) => count));
    find("counts").replaceChildren(
      ...(quiz.counts ?? []).map(([name, count, right]) => {
        const line = element("li", "");
        const length = element("span", "");
        length.style.width = `${(60 * count) / most}%`;
        line.append(element("b", `${right ? "✓" : "✗"} ${name}`), length, element("i", count));
        return line;
      }),
    );
    find("outcome").replaceChildren(
      ...(quiz.bars ?? []).map(makeBar),
      element("p", quiz.caption ?? "", { className: "caption" }),
      ...(quiz.notes ?? []).map((note, k) => element("p", note, { className: k ? "" : "verdict" })),
    );
    find("quiz").classList.toggle("ended", quiz.stage === "end");
  }

  // Of those in sight: of this round, and the hardest, which may be of an earlier one.
  function drawing(number) {
    return [...(latest?.on ?? []), latest?.hardest].find((one) => one?.number === number);
  }

  function enlarge(number) {
    large = number;
    const box = find("large");
    box.hidden = number === null;
    const one = drawing(number);
    if (!one) return;
    const said = [`${one.label} · ${one.name}`, ...one.answers].map((line) => element("p", line));
    const off = element("button", data.words.off, { type: "button", className: "off" });
    off.onclick = () => {
      trigger("off", number);
      enlarge(null);
    };
    const back = element("button", data.words.back, { type: "button" });
    back.onclick = () => enlarge(null);
    const picture = (tiles.get(number) ?? find("hardest")).querySelector("img").cloneNode();
    const about = element("div", "", { className: "about" });
    const buttons = element("div", "", { className: "buttons" });
    buttons.append(off, back);
    about.append(...said, buttons);
    box.classList.toggle("inside", data.inside.length > 0);
    box.replaceChildren(picture, about);
    back.focus({ preventScroll: true });
    comeIntoSight();
    if (data.inside.length) lookInside(picture, about);
  }

  // The feature maps of the first layers, which come when they are computed. Where a run cannot answer, there are none.
  async function lookInside(picture, about) {
    const maps = element("div", "", { className: "maps" });
    const ink = pixels(diverging(data.colours));
    const asked = data.inside.map(({ model, live, layers }) => {
      const figures = layers.map((layer) => {
        const figure = element("figure", "", { hidden: true });
        figure.append(element("figcaption", ""), element("div", "", { className: "line" }));
        return figure;
      });
      maps.append(...figures);
      return { model, live, layers, figures };
    });
    const scale = element("p", "", { className: "scale", hidden: true });
    scale.append(element("span", data.words.below), element("i", ""), element("span", data.words.above));
    scale.querySelector("i").style.background =
      `linear-gradient(to right, ${data.colours.map((colour) => `rgb(${colour})`).join()})`;
    maps.append(scale);
    about.append(maps);
    const sheet = await raster(picture);
    for (const { model, live, layers, figures } of asked) {
      const own = new WebSocket(new URL(live, location.href.replace(/^http/, "ws")));
      own.onopen = () => own.send(sheet);
      own.onmessage = (message) => {
        own.close();
        const answer = JSON.parse(message.data).layers ?? {};
        layers.forEach((layer, k) => {
          if (!answer[layer.number]) return;
          const { values, reach } = answer[layer.number];
          const [height, width] = layer.shape;
          const steps = whole(values);
          const canvases = Array.from({ length: steps.length / (height * width) }, (_, channel) => {
            const canvas = document.createElement("canvas");
            drawMap(canvas, ink, steps, channel * height * width, layer.shape);
            return canvas;
          });
          const [caption, line] = figures[k].children;
          caption.textContent = [`${layer.said} (${reach})`, model].filter(Boolean).join(" · ");
          line.replaceChildren(...canvases);
          figures[k].hidden = scale.hidden = false;
        });
        arrangeMaps();
      };
    }
  }

  // A drawing's pixels, 0 ground to 255 ink, as the live answers take them.
  async function raster(picture) {
    await picture.decode();
    const [width, height] = [picture.naturalWidth, picture.naturalHeight];
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const rgba = context.getImageData(0, 0, width, height).data;
    return Uint8Array.from({ length: width * height }, (_, k) => rgba[4 * k]);
  }

  // The feature maps are as large as they can be for all of them to be in sight.
  function arrangeMaps() {
    const maps = root.querySelector(".maps");
    if (!maps) return;
    for (let side = WIDEST_MAP; side >= NARROWEST_MAP; side -= 4) {
      maps.style.setProperty("--side", `${side}px`);
      if (maps.scrollHeight <= maps.clientHeight) return;
    }
  }

  const ticking = setInterval(() => {
    const left = ends === null ? 0 : (ends - performance.now()) / 1000;
    find("left").textContent = ends === null ? "" : `${Math.max(0, Math.ceil(left))} s`;
  }, 200);
  const resizing = new ResizeObserver(() => {
    arrange();
    arrangeNames();
    arrangeMaps();
  });
  resizing.observe(find("tiles"));
  resizing.observe(find("who"));
  document.addEventListener("keydown", press);
  document.addEventListener("pointerdown", point, true);
  find("question").onclick = goOn;
  find("qr").onclick = goOn;
  find("hardest").onclick = () => enlarge(latest.hardest.number);

  return {
    set(to, setTrigger) {
      trigger = setTrigger;
      const before = data;
      data = to;
      find("joining").hidden = !data.joining;
      find("showing").hidden = data.joining;
      find("qr").innerHTML = data.qr; // drawn by the server
      for (const name of ["go", "enter"]) find(name).textContent = data.words[name];
      find("address").textContent = data.address;
      if (before?.live !== data.live) {
        socket?.close();
        connect();
      }
      arrange();
    },
    forget() {
      clearInterval(ticking);
      resizing.disconnect();
      document.removeEventListener("keydown", press);
      document.removeEventListener("pointerdown", point, true);
      const last = socket;
      socket = null;
      last?.close();
    },
  };
}
