// The digits found on a picture of a sheet: the picture with numbered boxes, and the prepared images with their answers,
// which are corrected by one key. `ui/draw/sheet.py` says what `data` holds. Each change is sent to Python at once.

const SVG = "http://www.w3.org/2000/svg";
const shown = new WeakMap(); // parentElement -> what has been decided here: Streamlit calls the function below again

function element(tag, values = {}, children = []) {
  const made = Object.assign(document.createElement(tag), values);
  made.append(...children);
  return made;
}

function draw(canvas, pixels) {
  const image = new ImageData(28, 28);
  Array.from(atob(pixels), (byte) => byte.charCodeAt(0)).forEach((grey, i) => {
    image.data.set([grey, grey, grey, 255], 4 * i);
  });
  canvas.width = canvas.height = 28;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export default function ({ parentElement, data, setStateValue }) {
  const find = (name) => parentElement.querySelector("." + name);
  const { digits, words } = data;
  let own = shown.get(parentElement);
  if (own?.sheet !== data.sheet) {
    own = { sheet: data.sheet, labels: { ...data.labels }, at: 0 };
    shown.set(parentElement, own);
    build();
    own.at = Math.max(0, digits.findIndex((_, i) => isMarked(i)));
  }

  // What is kept of a digit: the label decided here, else its own; null if none.
  function label(i) {
    return i in own.labels ? own.labels[i] : digits[i].label;
  }

  function isMarked(i) {
    return !(i in own.labels) && (digits[i].label === null || digits[i].differs);
  }

  function said(i) {
    const { guess, label: read, differs, answer } = digits[i];
    if (i in own.labels) return own.labels[i] === null ? "✕" : own.labels[i] === read ? `${read} ✓` : `${own.labels[i]} ✎`;
    if (read === null) return `${guess ?? ""}?`;
    return differs ? `${read} ≠ ${answer}` : `${read}`;
  }

  function build() {
    find("list").replaceChildren(
      ...digits.map((one, i) => {
        const canvas = element("canvas");
        draw(canvas, one.image);
        const card = element("div", { className: "card", tabIndex: -1 }, [
          element("small", { textContent: i + 1 }),
          canvas,
          element("b"),
        ]);
        card.setAttribute("role", "option");
        card.onclick = () => choose(i);
        return card;
      }),
    );
    find("photograph").src = data.picture;
    find("photograph").alt = words.picture;
    const boxes = find("boxes");
    boxes.setAttribute("viewBox", `0 0 ${data.width} ${data.height}`);
    boxes.replaceChildren(
      ...digits.map((one, i) => {
        const box = document.createElementNS(SVG, "g");
        for (const name of ["under", "over"]) {
          const outline = document.createElementNS(SVG, "polygon");
          outline.setAttribute("points", one.corners.map((point) => point.join(",")).join(" "));
          outline.setAttribute("class", name);
          box.append(outline);
        }
        const number = document.createElementNS(SVG, "text");
        const [x, y] = one.corners.reduce((a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1])]);
        number.setAttribute("x", x);
        number.setAttribute("y", y - data.width / 300);
        number.setAttribute("font-size", data.width / 55);
        box.append(number);
        box.onclick = () => choose(i);
        return box;
      }),
    );
  }

  function show() {
    find("list").setAttribute("aria-label", words.list);
    find("keys").textContent = words.keys;
    [...find("list").children].forEach((card, i) => {
      const box = find("boxes").children[i];
      for (const one of [card, box]) {
        one.classList.toggle("marked", isMarked(i));
        one.classList.toggle("out", label(i) === null && i in own.labels);
        one.classList.toggle("chosen", i === own.at);
      }
      card.querySelector("b").textContent = said(i);
      box.querySelector("text").textContent = `${i + 1}: ${said(i)}`;
      card.setAttribute("aria-selected", String(i === own.at));
      card.setAttribute("aria-label", `${i + 1}: ${said(i)}. ${digits[i].details}`);
      card.tabIndex = i === own.at ? 0 : -1;
    });
    find("details").textContent = digits.length ? `${own.at + 1}: ${said(own.at)} · ${digits[own.at].details}` : "";
  }

  function choose(i, scroll = true) {
    own.at = Math.max(0, Math.min(digits.length - 1, i));
    show();
    const card = find("list").children[own.at];
    card.focus({ preventScroll: true });
    if (scroll) card.scrollIntoView({ block: "nearest" });
  }

  function decide(value) {
    own.labels[own.at] = value;
    show();
    setStateValue("labels", { sheet: data.sheet, labels: { ...own.labels } });
    next();
  }

  function next() {
    const order = [...digits.keys()].map((k) => (own.at + 1 + k) % digits.length);
    const marked = order.find((i) => isMarked(i));
    if (marked !== undefined) choose(marked);
  }

  // The cards in the line above or below: as many cards on as there are in a line.
  function line() {
    const tops = [...find("list").children].map((card) => card.offsetTop);
    return Math.max(1, tops.filter((top) => top === tops[0]).length);
  }

  find("list").onkeydown = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !digits.length) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -line(), ArrowDown: line() };
    if (event.key in steps) choose(own.at + steps[event.key]);
    else if (/^[0-9]$/.test(event.key)) decide(Number(event.key));
    else if (event.key === "Enter" && digits[own.at].guess !== null) decide(label(own.at) ?? digits[own.at].guess);
    else if (event.key === "Delete" || event.key === "Backspace") decide(null);
    else if (event.key.toLowerCase() === "n") next();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  [...find("tap").children].forEach((button, k) => {
    button.onclick = () => decide(k < 10 ? k : null);
  });
  show();
}
