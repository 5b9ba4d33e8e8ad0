"""Where the focus goes when the element that has it is taken from the page, such as a button that a click replaces.

A browser gives it to the page's body, and whoever works with the keyboard begins at the top again.
"""

import streamlit as st

# What stood before it, or around it, and is still there gets it: Tab goes on from there. No other button gets it, which
# Enter might press by mistake.
_keep = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.focus",
    js="""
let last = null;
let places = []; // from the nearest on
const remember = ({ target }) => {
  last = target;
  places = [];
  for (let one = target; one && one !== document.body; one = one.parentElement) {
    for (let before = one.previousElementSibling; before; before = before.previousElementSibling) places.push(before);
    places.push(one.parentElement);
  }
};
const forget = () => (last = null);
const mend = () => {
  if (!last || (last.isConnected && !last.disabled) || document.activeElement !== document.body) return;
  const below = document.querySelector("div:has(> .st-key-frame) + *"); // the page begins there
  for (let place of places.filter((one) => one.isConnected && one.tabIndex < 0)) {
    if (below && (place.contains(below) || place.nextElementSibling === below)) place = below;
    place.tabIndex = -1;
    place.style.outline = "none";
    place.focus({ preventScroll: true });
    if (document.activeElement === place) return; // what is hidden does not take it
  }
};
const observer = new MutationObserver(() => {
  mend();
  requestAnimationFrame(mend); // a browser may take the focus away only then
});
export default () => {
  document.addEventListener("focusin", remember);
  document.addEventListener("pointerdown", forget, true);
  observer.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled"] });
  return () => {
    document.removeEventListener("focusin", remember);
    document.removeEventListener("pointerdown", forget, true);
    observer.disconnect();
  };
};""",
)


def keep_focus() -> None:
    """Keep the focus near the place of an element that is gone."""
    _keep(key="focus")
