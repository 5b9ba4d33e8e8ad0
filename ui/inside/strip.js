// The network as a strip. Each map or bar is a button: a click chooses it, arrow keys walk among those of a layer.
// While the pen is down, the pad sends what `live` of `ui/inside/message.py` makes, as an event of the document.

const LARGE = 50; // px, about the side of a map
const SMALL = 28; // px, where a layer has many
const MANY = 12;
const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

const strips = new WeakMap(); // parentElement -> strip: the function below is called at each change of data or theme

export default function ({ parentElement, data, setTriggerValue }) {
  let strip = strips.get(parentElement);
  if (!strip) strips.set(parentElement, (strip = makeStrip(parentElement)));
  strip.choose = (place) => setTriggerValue("place", place);
  strip.show(data);
  return () => {
    strip.forget();
    strips.delete(parentElement);
  };
}

function element(tag, text, values = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...values });
}

function makeStrip(root) {
  const own = root.querySelector(".strip");
  const strip = {};
  let built = "";
  let layers = []; // as in the data
  let colours = [];
  let ink = [];

  strip.show = (data) => {
    layers = data.layers;
    colours = diverging(data.colours);
    ink = pixels(colours);
    const now = JSON.stringify([data.layers, data.words, data.dead]);
    if (built !== now) build(data);
    built = now;
    own.setAttribute("aria-label", data.label);
    mark(data.chosen);
    Object.entries(data.messages).forEach(draw);
  };

  function build({ words, dead }) {
    own.replaceChildren(
      ...layers.map((layer) => {
        const isMap = layer.shape.length > 0;
        const section = element("section", "", { className: isMap ? "maps" : layer.written ? "written" : "bars" });
        section.dataset.number = layer.number;
        const about = element("p", "", { className: "about" });
        about.append(element("strong", layer.title), ...layer.facts.map((one) => element("span", one)));
        about.append(element("span", "", { className: "reach" }));
        const line = element("div", "", { className: "line" });
        line.setAttribute("role", "group");
        line.setAttribute("aria-label", layer.title);
        if (isMap) {
          const side = layer.count > MANY ? SMALL : LARGE;
          const scale = Math.max(1, Math.round(side / Math.max(...layer.shape)));
          line.style.cssText = `--height: ${scale * layer.shape[0]}px; --width: ${scale * layer.shape[1]}px`;
        }
        for (let channel = 0; channel < layer.count; channel++) line.append(one(layer, channel, isMap, words, dead));
        section.append(about, line);
        return section;
      }),
    );
  }

  function one(layer, channel, isMap, words, dead) {
    const isDead = layer.dead.includes(channel);
    const button = element(layer.number ? "button" : "span", "", { className: "one" });
    if (layer.number) {
      button.type = "button";
      button.tabIndex = channel ? -1 : 0;
    }
    button.dataset.channel = channel;
    const name = layer.names[channel];
    const said = (isMap ? words.map : words.value).replace("{layer}", layer.number).replace("{channel}", channel + 1);
    button.title = [layer.number ? said : layer.title, name, isDead && dead].filter(Boolean).join(", ");
    if (layer.number) button.setAttribute("aria-label", button.title);
    button.append(isMap ? document.createElement("canvas") : bar());
    if (layer.written) button.append(element("span", "", { className: "text" }));
    if (layer.written) button.append(element("span", name ?? String(channel + 1), { className: "name" }));
    if (isDead) button.append(element("span", "✗", { className: "dead" }));
    return button;
  }

  function bar() {
    const room = element("span", "", { className: "room" });
    room.append(element("span", "", { className: "bar" }));
    return room;
  }

  function draw([number, message]) {
    const layer = layers.find((one) => String(one.number) === number);
    const section = own.querySelector(`section[data-number="${number}"]`);
    const values = whole(message.values);
    const [height, width] = layer?.shape ?? [];
    const size = (height ?? 1) * (width ?? 1);
    if (!section || values.length !== layer.count * size) return; // of another network
    section.querySelector(".reach").textContent = message.reach;
    section.querySelectorAll(".one").forEach((each, channel) => {
      if (height) return drawMap(each.querySelector("canvas"), ink, values, channel * size, layer.shape);
      const value = values[channel];
      const inner = each.querySelector(".bar");
      inner.style.cssText = `--share: ${Math.abs(value) / 127}; background: rgb(${colours[value < 0 ? 0 : 254]})`;
      inner.classList.toggle("below", value < 0);
      if (message.texts) each.querySelector(".text").textContent = message.texts[channel];
    });
  }

  function mark([number, channel]) {
    for (const each of own.querySelectorAll("button.one")) {
      const is = each.closest("section").dataset.number === String(number) && each.dataset.channel === String(channel);
      each.classList.toggle("chosen", is);
      each.setAttribute("aria-pressed", String(is));
      if (is) walk(each);
    }
  }

  function walk(to) {
    for (const each of to.parentElement.children) each.tabIndex = -1;
    to.tabIndex = 0;
  }

  own.onclick = (event) => {
    const button = event.target.closest("button.one");
    if (button) strip.choose([Number(button.closest("section").dataset.number), Number(button.dataset.channel)]);
  };
  own.onkeydown = (event) => {
    const from = event.target.closest("button.one");
    if (!from || !(event.key in STEPS) || event.ctrlKey || event.altKey || event.metaKey) return;
    const all = [...from.parentElement.children];
    const to = all[Math.min(all.length - 1, Math.max(0, all.indexOf(from) + STEPS[event.key]))];
    walk(to);
    to.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  const hear = ({ detail }) => Object.entries(detail).forEach(draw);
  document.addEventListener("bancada-layers", hear);
  strip.forget = () => document.removeEventListener("bancada-layers", hear);
  return strip;
}
