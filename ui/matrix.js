// A confusion matrix as a table whose cells can be walked with the arrow keys and clicked. `ui/matrix.py` says what
// `data` holds.

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// The parts of a CSS colour "#rrggbb" or "rgb(r, g, b)", 0 to 255.
function parts(colour) {
  const hex = colour.trim().match(/^#(..)(..)(..)/);
  return hex ? hex.slice(1).map((one) => parseInt(one, 16)) : colour.match(/[\d.]+/g).slice(0, 3).map(Number);
}

// WCAG's relative luminance, 0 to 1.
function luminance(rgb) {
  const [r, g, b] = rgb.map((one) => (one <= 10.31475 ? one / 3294.6 : ((one / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function element(tag, text, values = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...values });
}

function build(table, names) {
  const head = element("tr", "");
  head.append(element("td", "", { className: "corner" }), ...names.map((one) => element("th", "", { scope: "col", title: one })));
  [...head.cells].slice(1).forEach((cell, k) => cell.append(element("span", names[k])));
  table.tHead.replaceChildren(head);
  table.tBodies[0].replaceChildren(
    ...names.map((name) => {
      const row = element("tr", "");
      row.append(element("th", name, { scope: "row", title: name }), ...names.map(() => element("td", "")));
      return row;
    }),
  );
}

export default function ({ parentElement, data, setTriggerValue }) {
  const table = parentElement.querySelector("table");
  const style = getComputedStyle(table);
  const [ground, ink] = ["--st-background-color", "--st-primary-color"].map((name) =>
    parts(style.getPropertyValue(name)),
  );
  const key = JSON.stringify(data.names);
  if (table.dataset.names !== key) build(table, data.names);
  table.dataset.names = key;
  table.classList.toggle("many", !data.texts.length);
  table.classList.toggle("long", Math.max(...data.names.map((one) => one.length)) > 3);
  table.classList.toggle("clickable", data.clickable);
  table.style.setProperty("--characters", Math.max(1, ...data.texts.flat().map((one) => one.length)));
  table.setAttribute("aria-label", data.label);
  table.querySelector(".corner").textContent = data.axes;

  const say = (i, j) =>
    data.said.replace(/{(true|predicted|count)}/g, (_, slot) =>
      slot === "count"
        ? data.counts[i][j].toLocaleString(data.locale)
        : data.names[slot === "true" ? i : j],
    );
  const cells = [...table.tBodies[0].rows].map((row) => [...row.cells].slice(1));
  const walked = parentElement.walked ?? data.chosen ?? [0, 0];
  const at = walked.map((one) => Math.min(one, cells.length - 1));
  cells.forEach((row, i) =>
    row.forEach((cell, j) => {
      const share = data.shares[i][j];
      const mixed = ground.map((one, k) => one + (ink[k] - one) * share);
      cell.textContent = data.texts[i]?.[j] ?? "";
      cell.title = say(i, j);
      cell.setAttribute("role", data.clickable ? "button" : "cell");
      cell.setAttribute("aria-label", cell.title);
      // A luminance of 0.18 has the same contrast to black and to white, 4.6.
      cell.style.cssText = `background: rgb(${mixed}); color: ${luminance(mixed) > 0.18 ? "#000" : "#fff"}`;
      const chosen = data.chosen?.every((one, k) => one === null || one === [i, j][k]) ?? false;
      cell.classList.toggle("chosen", chosen && data.chosen.some((one) => one !== null));
      if (data.clickable) cell.setAttribute("aria-pressed", String(cell.classList.contains("chosen")));
      cell.tabIndex = i === at[0] && j === at[1] ? 0 : -1;
    }),
  );

  function place(cell) {
    const found = cell?.closest?.("tbody td");
    return found && [found.parentElement.rowIndex - 1, found.cellIndex - 1];
  }

  function walk(to) {
    const [i, j] = (parentElement.walked ?? at).map((one) => Math.min(one, cells.length - 1));
    cells[i][j].tabIndex = -1;
    parentElement.walked = to;
    cells[to[0]][to[1]].tabIndex = 0;
  }

  function choose(to) {
    if (!data.clickable) return;
    walk(to);
    setTriggerValue("cell", to);
    // In one column the images lie below the matrix.
    const images = document.querySelector(".st-key-cell");
    if (images && innerWidth <= data.narrow) setTimeout(() => images.scrollIntoView({ block: "start" }), 300);
  }

  table.onclick = (event) => {
    const to = place(event.target);
    if (to) choose(to);
  };
  table.onkeydown = (event) => {
    const from = place(event.target);
    if (!from || event.ctrlKey || event.altKey || event.metaKey) return;
    if (STEPS[event.key]) {
      walk(from.map((one, k) => Math.max(0, Math.min(cells.length - 1, one + STEPS[event.key][k]))));
      cells[parentElement.walked[0]][parentElement.walked[1]].focus();
    } else if (event.key === "Enter" || event.key === " ") choose(from);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
}
