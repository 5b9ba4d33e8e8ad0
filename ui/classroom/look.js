// --- what the projector and the phones draw from the same numbers ---
// `ui/classroom/look.py` says what these are.

function element(tag, text = "", values = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...values });
}

// A share as a point and its interval as whiskers, and beside them, where there is one, the share on the test images as a dashed line.
function makeBar(of) {
  const row = element("div", "", { className: "model" });
  const track = element("div", "", { className: "track" });
  const percent = (share) => `${100 * share}%`;
  const mark = (name, left) => {
    const one = element("span", "", { className: name });
    one.style.left = percent(left);
    track.append(one);
    return one;
  };
  if (of.value !== null && of.low !== null) mark("range", of.low).style.width = percent(of.high - of.low);
  if (of.test !== null) mark("test", of.test);
  if (of.value !== null) mark("point", of.value); // over the others
  const figures = element("div", "", { className: "text" });
  figures.append(element("b", of.text), element("span", of.test_text));
  const name = element("div", "", { className: "name" });
  if (of.place) name.append(element("b", of.place), " "); // of a race
  name.append(element("bdi", of.name));
  row.append(name, track, figures);
  return row;
}

// Bars below each other; those of a race have an axis of their own.
function makeBars({ bars, ends }) {
  const all = element("div", "", { className: ends.length ? "bars board" : "bars" });
  const axis = element("div", "", { className: "ends" });
  axis.append(...ends.map((one) => element("span", one)));
  if (ends.length) all.append(axis);
  all.append(...bars.map(makeBar));
  return all;
}

// Counts, `[true][predicted]`. Names that are not the classes' numbers stand in the rows, numbered for the columns.
function fillMatrix(table, { counts, names, caption }) {
  const most = Math.max(1, ...counts.flat());
  const numbered = names.some((name, k) => name !== String(k));
  const head = element("tr", "");
  head.append(element("td", ""), ...names.map((name, k) => element("th", k, { scope: "col", title: name })));
  const rows = counts.map((row, true_) => {
    const line = element("tr", "");
    line.append(element("th", numbered ? `${true_} ${names[true_]}` : true_, { scope: "row" }));
    row.forEach((count, predicted) => {
      const cell = element("td", count || "");
      cell.style.setProperty("--share", Math.sqrt(count / most));
      cell.classList.toggle("right", true_ === predicted);
      line.append(cell);
    });
    return line;
  });
  table.className = numbered ? "matrix named" : "matrix";
  table.replaceChildren(element("caption", caption), element("tbody", ""));
  table.tBodies[0].append(head, ...rows);
}

// Curves of accuracies over the epochs: the first is drawn through, the second dashed.
function makeCurves(of) {
  const figure = element("figure", "", { className: "curves" });
  const svg = document.createRange().createContextualFragment("<svg></svg>").firstChild;
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  const [first, last] = [of.epochs[0], of.epochs[of.epochs.length - 1]];
  const legend = element("ul", "");
  of.series.forEach((one, k) => {
    const points = one.values.map((value, place) => {
      const x = last > first ? (100 * (of.epochs[place] - first)) / (last - first) : 50;
      const y = of.high > of.low ? (100 * (of.high - value)) / (of.high - of.low) : 50;
      return `${x},${y}`;
    });
    const line = document.createElementNS(svg.namespaceURI, "polyline");
    line.setAttribute("points", points.length > 1 ? points.join(" ") : `0,${points[0].split(",")[1]} 100,50`);
    line.setAttribute("class", `line-${k}`);
    svg.append(line);
    legend.append(element("li", one.name, { className: `line-${k}` }));
  });
  const [high, low] = [element("span", of.high_text), element("span", of.low_text)];
  const [begin, end] = [element("span", of.first_text), element("span", first === last ? "" : of.last_text)];
  const [y, x] = ["y", "x"].map((name) => element("div", "", { className: name }));
  y.append(high, low);
  x.append(begin, end);
  figure.append(y, svg, x, legend);
  return figure;
}

// Fill a section with what there is to look at.
function fillLook(section, look) {
  const parts = look.title ? [element("h2", look.title)] : [];
  if (look.bars.length) parts.push(makeBars(look));
  if (look.caption) parts.push(element("p", look.caption));
  if (look.curves) parts.push(makeCurves(look.curves));
  if (look.matrix) {
    const table = element("table", "");
    fillMatrix(table, look.matrix);
    parts.push(table);
  }
  section.replaceChildren(...parts, ...look.notes.map((note) => element("p", note)));
}
