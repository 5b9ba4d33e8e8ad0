// Shows what models answer to a drawing: a sentence, a table of models by classes, the image that the model sees.
// `show` takes the messages of `ui/draw/agreement.py`.

function makeAnswers(root) {
  const find = (name) => root.querySelector("." + name);
  const seen = find("seen");
  const head = root.querySelector("thead tr");
  const body = root.querySelector("tbody");

  function element(tag, text, values = {}) {
    return Object.assign(document.createElement(tag), { textContent: text, ...values });
  }

  // `models` and `classes`: the names of the rows and of the columns.
  function label({ models, classes, legend, table }) {
    find("legend").textContent = legend;
    root.querySelector("table").setAttribute("aria-label", table);
    if (body.dataset.names === JSON.stringify(models)) return;
    body.dataset.names = JSON.stringify(models);
    root.querySelector("table").style.setProperty("--rows", models.length);
    root.querySelector("table").classList.toggle("few", models.length <= 3);
    head.replaceChildren(element("td", ""), ...classes.map((one) => element("th", one, { scope: "col" })));
    body.replaceChildren(
      ...models.map((name) => {
        const row = element("tr", "");
        row.append(element("th", name, { scope: "row" }), ...classes.map(() => element("td", "")));
        return row;
      }),
    );
  }

  function show({ sentence, rows = [], side, seen: pixels, caption = "" }) {
    find("said").textContent = sentence;
    find("caption").textContent = caption;
    [...body.children].forEach((row, i) => {
      const answer = rows.length === body.children.length ? rows[i] : null;
      [...row.cells].slice(1).forEach((cell, k) => {
        cell.textContent = answer?.texts[k] ?? "";
        cell.style.setProperty("--share", answer?.shares[k] ?? 0);
        cell.classList.toggle("best", k === answer?.best);
        cell.classList.toggle("unsure", k === answer?.best && !answer.sure);
      });
    });
    seen.classList.toggle("none", !pixels);
    if (!pixels) return;
    const image = new ImageData(side, side);
    Array.from(atob(pixels), (byte) => byte.charCodeAt(0)).forEach((grey, i) => {
      image.data.set([grey, grey, grey, 255], 4 * i);
    });
    seen.width = seen.height = side;
    seen.getContext("2d").putImageData(image, 0, 0);
  }

  // While an answer is awaited, a screen reader does not read what is about to change.
  function wait(whether) {
    find("answers").setAttribute("aria-busy", String(whether));
  }

  return { label, show, wait };
}
