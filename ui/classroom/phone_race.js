
// --- a race on a pupil's phone ---
// What is chosen stays while the server tells how far the attempts are. `ui/classroom/phone_race.py` says what a race
// holds.

const CURVE = '<svg viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true"><polyline></polyline></svg>';
let raceNow = null; // the latest message
let raceForm = null;

function showRace(root, race) {
  const isNew = raceNow?.number !== race.number; // `raceNow` is forgotten with its session
  raceNow = race;
  if (isNew) {
    raceForm = makeRaceForm(race);
    root.replaceChildren(element("h1", race.said.what), raceForm, element("div", "", { className: "own" }));
  }
  raceForm.querySelector(".left").textContent = race.sentence;
  for (const field of raceForm.querySelectorAll("input, button")) field.disabled = !race.open;
  const own = root.querySelector(".own");
  const known = new Map([...own.children].map((one) => [one.dataset.number, one]));
  const cards = race.own.map((one) => fillAttempt(known.get(String(one.number)) ?? makeAttempt(one), one, race));
  if (cards.length !== own.children.length || cards.some((card, k) => card !== own.children[k])) {
    own.replaceChildren(...cards);
  }
}

function makeRaceForm(race) {
  const form = element("form");
  race.choices.forEach((choice, k) => {
    const group = element("fieldset");
    group.append(element("legend", choice.name));
    const row = element("div", "", { className: "options" });
    choice.values.forEach((value, place) => {
      const option = element("label");
      option.append(element("input", "", { type: "radio", name: `choice-${k}`, value: place, required: true }));
      option.append(element("span", value));
      row.append(option);
    });
    group.append(row);
    form.append(group);
  });
  const title = element("label", race.said.title + " ");
  title.append(element("input", "", { name: "title", maxLength: race.longest, autocomplete: "off", required: true }));
  const send = element("button", race.said.send, { type: "submit", className: "go" });
  const why = element("p", "", { className: "why" });
  why.setAttribute("role", "alert");
  form.append(title, send, why, element("p", "", { className: "left" }));
  form.onsubmit = async (event) => {
    event.preventDefault();
    const places = race.choices.map((_, k) => Number(form.elements[`choice-${k}`].value));
    send.disabled = true;
    const isTaken = await tellRace({ race: race.number, title: form.elements.title.value, places });
    if (isTaken) {
      form.elements.title.value = "";
      document.activeElement?.blur(); // a phone's keyboard goes
    }
    send.disabled = !raceNow.open;
  };
  return form;
}

async function tellRace(message) {
  const why = raceForm.querySelector(".why");
  why.textContent = "";
  try {
    const answer = await fetch("/race", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(message),
    });
    const said = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : null;
    if (answer.ok) return true;
    why.textContent = said?.sentence ?? told.said.again;
  } catch {
    why.textContent = told.said.lost;
  }
  return false;
}

function makeAttempt(one) {
  const card = element("article");
  card.dataset.number = one.number;
  const stop = element("button", "", { type: "button", className: "stop" });
  stop.onclick = async () => {
    stop.disabled = true;
    await tellRace({ race: raceNow.number, stop: one.number });
    stop.disabled = false;
  };
  const words = element("p", "", { className: "state" });
  words.setAttribute("role", "status");
  card.append(element("b"), element("p", "", { className: "values" }), words, element("progress", "", { max: 1 }));
  card.insertAdjacentHTML("beforeend", CURVE);
  card.append(stop);
  return card;
}

function fillAttempt(card, one, race) {
  card.className = one.state;
  card.querySelector("b").textContent = `#${one.number} ${one.title}`; // also where the board hides the names
  card.querySelector(".values").textContent = one.values;
  const words = card.querySelector(".state");
  if (words.textContent !== one.sentence) words.textContent = one.sentence;
  const bar = card.querySelector("progress");
  bar.hidden = one.share === null;
  bar.value = one.share ?? 0;
  const curve = card.querySelector("svg");
  curve.toggleAttribute("hidden", one.curve.length < 2);
  const across = 100 / Math.max(1, one.curve.length - 1);
  const points = one.curve.map((value, k) => `${(k * across).toFixed(1)},${(39 - 38 * value).toFixed(1)}`);
  curve.firstChild.setAttribute("points", points.join(" "));
  const stop = card.querySelector(".stop");
  stop.hidden = !one.stops;
  stop.textContent = race.said.stop;
  return card;
}
