// Says Streamlit's own English in the reader's language, in the page as it is now and whenever it changes.
// `data`: { language, words: [[English, ours], ...] }; "{}" stands for any text, which is looked up in turn.

const ATTRIBUTES = ["aria-label", "title", "placeholder", "alt"];
// What shows our own words and those of files and people, not Streamlit's.
const OURS = '[data-testid="stMarkdownContainer"]:not([data-testid="stDialog"] *, [data-testid="stFileUploader"] *), [data-testid="stCaptionContainer"], [data-testid="stHtml"], [data-testid="stCode"], [role="listbox"] [role="option"]:not([data-key*="select"]), [data-baseweb="tag"], .stBidiComponent, svg, canvas, style, script, textarea';

const said = new WeakMap(); // node -> { name of attribute, or "": [English, ours] }
let exact = new Map(), patterns = [];

const translate = (text) => {
  const words = text.trim();
  if (!words || words.length > 300) return text;
  const known = exact.get(words);
  if (known) return text.replace(words, () => known);
  for (const [pattern, ours] of patterns) {
    const found = pattern.exec(words);
    if (!found) continue;
    const sentence = found.slice(1).reduce((said, slot) => said.replace("{}", () => translate(slot)), ours);
    return text.replace(words, () => sentence);
  }
  return text;
};

// What stands there is English, unless it is what was put there last.
const put = (node, name, now, write) => {
  const before = said.get(node)?.[name];
  const english = before && before[1] === now ? before[0] : now;
  const ours = translate(english);
  if (ours !== english || before) said.set(node, { ...said.get(node), [name]: [english, ours] });
  if (ours !== now) write(ours);
};

const attribute = (element, name) => {
  const now = element.getAttribute(name);
  if (now) put(element, name, now, (ours) => element.setAttribute(name, ours));
};

const text = (node) => {
  if (!node.parentElement?.closest(OURS)) put(node, "", node.data, (ours) => (node.data = ours));
};

const walk = (root) => {
  if (root.nodeType === Node.TEXT_NODE) return text(root);
  if (root.nodeType !== Node.ELEMENT_NODE || root instanceof SVGElement) return;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, {
    acceptNode: (node) => (node instanceof SVGElement ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT),
  });
  for (let node = root; node; node = walker.nextNode()) {
    if (node.nodeType === Node.TEXT_NODE) text(node);
    else for (const name of ATTRIBUTES) attribute(node, name);
  }
};

// A live chart changes hundreds of marks twice a second: they are left at once.
const observer = new MutationObserver((changes) => {
  for (const { type, target, attributeName, addedNodes } of changes) {
    if (target instanceof SVGElement) continue;
    if (type === "attributes") attribute(target, attributeName);
    else if (type === "characterData") text(target);
    else addedNodes.forEach(walk);
  }
});

export default ({ data }) => {
  document.documentElement.lang = data.language; // Streamlit's own page declares English
  exact = new Map(data.words.filter(([english]) => !english.includes("{}")));
  patterns = data.words
    .filter(([english]) => english.includes("{}"))
    .map(([english, ours]) => [
      new RegExp("^" + english.split("{}").map((part) => part.replace(/[.*+?^$()[\]|\\]/g, "\\$&")).join("(.+?)") + "$"),
      ours,
    ]);
  walk(document.body);
  observer.observe(document.body, {
    subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES,
  });
  return () => observer.disconnect();
};
