
// --- the pupils' page ---
// Joins with the code and a name, shows what is asked, and hands drawings in. A drawing that was sent is sent again when
// a lost connection is back, until the server says that it has it: the place of the next drawing is then another one.

const told = JSON.parse(document.body.dataset.told);
const at = (id) => document.getElementById(id);
const ENDED = 4000, OUTSIDE = 4001, ELSEWHERE = 4002, UNKNOWN = 4003; // how the server closes, see ui/classroom/pupils.py
const FIRST_WAIT = 500, LONGEST_WAIT = 5000; // ms until a lost connection is tried again

const pad = makePad(at("board"), told);
pad.label(told.labels);
pad.answer({ ...told.answers, to: -1 });
pad.send = () => offer();

let socket = null;
let state = null; // the server's latest message
let pending = null; // the drawing that was sent and of which the server has not said yet that it has it
let ends = null; // when the round is over, on the clock of `performance.now()`
let stage = 0; // of a round with an end: 0 there is time, 1 what is finished may be sent, 2 over
let wait = FIRST_WAIT;
let answer = null; // to the image of now, of which the server has not said yet that it has it

function fill(text, slots) {
  return text.replace(/{(\w+)[^}]*}/g, (_, name) => slots[name] ?? "");
}

function show(which) {
  at("join").hidden = which !== "join";
  at("drawing").hidden = which !== "drawing";
  at("race").hidden = which !== "race";
  at("quiz").hidden = which !== "quiz";
  at("look").hidden = which === "join" || !state?.looking;
  at("board").hidden = Boolean(state?.looking);
}

function outside(why = "") {
  pad.live.listen(null);
  socket = null;
  forget();
  at("why").textContent = why;
  show("join");
}

// Of another session nothing of this one may be shown or sent.
function forget() {
  state = pending = answer = raceNow = null;
}

at("join").onsubmit = async (event) => {
  event.preventDefault();
  at("enter").disabled = true;
  try {
    const answer = await fetch("/join", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code: at("code").value, name: at("nickname").value }),
    });
    const said = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
    if (answer.ok) {
      document.activeElement?.blur(); // a phone's keyboard goes
      connect();
    } else outside(said.sentence ?? told.said.again);
  } catch {
    outside(told.said.lost);
  }
  at("enter").disabled = false;
};

function address(path) {
  return `${path}?lang=${told.lang}`;
}

function connect() {
  const own = (socket = new WebSocket(new URL(address("/class"), location.href.replace(/^http/, "ws"))));
  own.binaryType = "arraybuffer";
  own.onopen = () => {
    wait = FIRST_WAIT;
    pad.live.listen(address("/answers"));
    if (pending) own.send(pending.content);
    if (answer) own.send(answer.content);
  };
  own.onmessage = (message) => own === socket && hear(JSON.parse(message.data));
  own.onclose = ({ code }) => {
    if (own !== socket) return;
    if (code === OUTSIDE) return outside(told.said.out);
    const unsent = pending ? ` ${told.said.unsent}` : ""; // the drawing stays on the pad
    if (code === UNKNOWN) return outside(state ? told.said.anew + unsent : "");
    if (code === ENDED || code === ELSEWHERE) {
      pad.live.listen(null);
      socket = null;
      forget();
      show("drawing");
      at("ask").textContent = code === ENDED ? told.said.closed : told.said.elsewhere;
      at("board").hidden = true;
      say(unsent.trim());
      return offer();
    }
    say(told.said.lost);
    setTimeout(connect, wait);
    wait = Math.min(LONGEST_WAIT, 2 * wait);
  };
}

function say(sentence) {
  at(at("quiz").hidden ? "said" : "refused").textContent = sentence;
  const ofRace = document.querySelector("#race .left");
  if (ofRace && sentence) ofRace.textContent = sentence;
}

function hear(message) {
  const before = state;
  state = message;
  if (state.said) answer = null; // refused
  if (state.look) fillLook(at("look"), state.look);
  if (state.race) showRace(at("race"), state.race);
  show(state.race ? "race" : state.quiz ? "quiz" : "drawing");
  at("ask").textContent = state.sentence;
  ends = state.left === null ? null : performance.now() + 1000 * state.left;
  const goesOn = before && (before.round !== state.round || before.place !== state.place);
  if (goesOn || state.said !== null) pending = null; // kept, refused, or of a round that is over
  if (goesOn) pad.drop();
  if (state.said !== null || before?.round !== state.round) say(state.said ?? "");
  tick();
  offer();
  if (state.quiz) quiz(state.quiz);
}

// An image that is in sight for three seconds, then the classes as buttons, then the truth.
function quiz({ number, place, stage, picture, classes, given, sentence, of }) {
  if (given !== null || stage === "told" || answer?.number !== number || answer.place !== place) answer = null;
  at("question").textContent = sentence;
  at("of").textContent = stage === "end" ? "" : of;
  at("refused").textContent = state.said ?? "";
  at("picture").hidden = !picture;
  if (picture) at("picture").src = picture;
  const chosen = given ?? answer?.chosen ?? null;
  const group = at("classes");
  group.hidden = stage === "look" || stage === "told" || stage === "end";
  const key = JSON.stringify(classes);
  if (group.dataset.key !== key) {
    group.dataset.key = key;
    group.replaceChildren(...classes.map((name) => element("button", name, { type: "button" })));
  }
  [...group.children].forEach((button, k) => {
    button.disabled = stage !== "answer" || chosen !== null;
    button.setAttribute("aria-pressed", chosen === k);
    button.onclick = () => {
      answer = { number, place, chosen: k, content: new Uint8Array([number, place, k]) };
      if (socket?.readyState === WebSocket.OPEN) socket.send(answer.content);
      quiz(state.quiz);
    };
  });
}

function isDrawn() {
  return pad.raster().some((ink) => ink > 0);
}

// What can be handed in now: the digit that is asked, or whichever it is.
function offer() {
  const open = state && !pending && (ends === null || performance.now() < ends + 1000 * told.last) && isDrawn();
  at("send").hidden = !state || state.ask === null;
  at("digits").hidden = at("what").hidden = !state?.free;
  at("send").textContent = state ? fill(told.said.send, { digit: state.ask }) : "";
  at("send").disabled = !open;
  for (const button of at("digits").children) button.disabled = !open;
}

function send(label) {
  if (!state || pending) return;
  const content = new Uint8Array([state.round, state.place, label, ...pad.raster()]);
  pending = { round: state.round, place: state.place, content };
  if (socket?.readyState === WebSocket.OPEN) socket.send(content);
  offer();
}

at("send").onclick = () => send(state.ask);
at("what").textContent = told.said.what;
for (let digit = 0; digit < 10; digit++) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: digit });
  button.onclick = () => send(digit);
  at("digits").append(button);
}

// The countdown. When the time is up nobody draws on, and who has finished may still send it: only the pupil knows
// whether it is a digit yet.
function tick() {
  const left = state && ends !== null ? (ends - performance.now()) / 1000 : Infinity;
  const before = stage;
  stage = left > 0 ? 0 : left > -told.last ? 1 : 2;
  at("left").textContent = left > 0 && left < Infinity ? fill(told.said.left, { seconds: Math.ceil(left) }) : "";
  at("seconds").textContent = at("left").textContent;
  at("board").inert = stage > 0;
  if (state?.quiz) {
    if (stage) at("picture").hidden = true; // also if the connection is lost
    return;
  }
  if (stage === before) return;
  if (stage && state.ask !== null && !pending)
    say(stage === 1 && isDrawn() ? fill(told.said.finished, { digit: state.ask }) : told.said.over);
  offer();
}
setInterval(tick, 200);

if (told.joined) connect();
else show("join");
