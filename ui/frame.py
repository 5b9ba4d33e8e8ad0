"""The frame around each page: one row with the navigation and the language."""

from __future__ import annotations

import streamlit as st

from core.words import languages
from ui import present, visitor
from ui.focus import keep_focus
from ui.lessons.bar import bar
from ui.server import PAGES
from ui.streamlit_words import speak
from ui.text import browsers_language, language, one_language, t

# The pages by what a visitor wants to do, each with its icon.
GROUPS = {
    "learn": {"lessons": "school", "recipes": "menu_book"},
    "train": {"data": "grid_view", "train": "model_training", "search": "manage_search"},
    "understand": {"runs": "table_rows", "evaluate": "analytics", "inside": "neurology", "check": "fact_check"},
    "draw": {"draw": "draw", "drawings": "collections_bookmark", "classroom": "cast_for_education"},
}
FIRST, ROOT = "train", "root"  # the page at the address without a path, and a name for it that leaves its own free

# The row lies where Streamlit's empty header is and stays in sight; the header's menu remains to its right.
# A wide window shows each group's name above its links, a narrow one a menu with the group's name.
# The title is for screen readers: the row already names the page.
# A busy page shows a small sign; its "Stop" is hidden: it would stop the page, not the training.
# Streamlit's captions, links in captions and chosen buttons have a contrast below 4.5:1; they get the text's colour.
STYLE = """<style>
.stAppHeader { background: transparent; pointer-events: none; height: 3.25rem; min-height: 0; }
.stAppHeader * { pointer-events: none; }
.stAppHeader button, .stAppHeader button * { pointer-events: auto; }
.stMainBlockContainer { padding: 0 2rem 3rem; }
.stElementContainer:has(> .stHtml > style:only-child) { display: none; }
div:has(> .st-key-title) { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.stApp :has(.st-key-frame) { background-color: inherit; }
div:has(> .st-key-frame) { position: sticky; top: 0; z-index: 100; }
.st-key-frame { min-height: 3.25rem; padding-right: 2.25rem; flex-wrap: nowrap; }
.st-key-pages { flex-wrap: nowrap; gap: 1.25rem; }
[class*="st-key-group-"] { gap: 0; }
.group-name { font-size: 0.8rem; line-height: 1; padding-left: 0.5rem; opacity: 0.8; }
[class*="st-key-links-"] { flex-wrap: nowrap; gap: 0; }
[class*="st-key-links-"] > .stElementContainer { margin: 0; }
[data-testid="stPageLink-NavLink"] { padding: 0.2rem 0.5rem; margin: 0; line-height: 1.2; }
[data-testid="stPageLink-NavLink"] p { white-space: nowrap; }
[class*="st-key-group-"] > :has(.stPopover) { display: none; }
[data-testid="stButtonGroup"] > div { flex-wrap: wrap; row-gap: 0.25rem; mask-image: none; }
@media (max-width: 1500px) {
  .st-key-pages { gap: 0.75rem; }
  [class*="st-key-links-"] [data-testid="stPageLink-NavLink"] > :has([data-testid="stIconMaterial"]) { display: none; }
}
@media (max-width: 1100px) {
  .st-key-pages { gap: 0.25rem; }
  [class*="st-key-group-"] > * { display: none; }
  [class*="st-key-group-"] > :has(.stPopover) { display: block; }
}
@media (max-width: 500px) {
  .stMainBlockContainer { padding: 0 0.75rem 3rem; }
  .st-key-frame { gap: 0.25rem; padding-right: 2.25rem; }
  .st-key-present { display: none; }
  .st-key-frame button { padding: 0.25rem; font-size: 0.8rem; min-width: 0; }
  .st-key-frame button p { font-size: inherit; }
  [data-testid="stPopoverButton"] > div { margin: 0; }
  [data-testid="stPopoverButton"] div[aria-hidden="true"] { display: none; }
}
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] a { color: inherit; opacity: 1; }
button[role="radio"][aria-checked="true"], [role="tab"][aria-selected="true"], [data-testid="stMetricDelta"],
[role="tab"][aria-selected="true"] *, [data-testid="stPaginationEllipsis"],
[data-testid="stSliderThumbValue"] { color: inherit !important; }
:is(a, button, summary, [role="tab"], [role="radio"]):focus-visible { outline: 3px solid currentColor; }
[data-testid="stStatusWidget"] { position: fixed; left: 0; top: 0; }
[data-testid="stStatusWidget"] button { display: none; }
</style>"""


def navigation() -> None:
    """Show each group of pages as links and as a menu, of which the style hides one."""
    for group, names in pages.items():
        with st.container(key=f"group-{group}", width="content"):
            st.html(f'<div class="group-name">{t(f"group.{group}")}</div>')
            with st.container(horizontal=True, width="content", key=f"links-{group}"):
                for one in names:
                    st.page_link(one)
            with st.popover(t(f"group.{group}"), key=f"{group}-on-{page.title}"):  # another page closes it
                for one in names:
                    st.page_link(one)


st.set_page_config(page_title=t("app.title"), page_icon="🔬", layout="wide")
pages = {
    group: [
        st.Page(
            PAGES / f"{name}.py",
            title=t(f"page.{name}"),
            icon=f":material/{icon}:",
            url_path=name if name != FIRST else ROOT,
            default=name == FIRST,
        )
        for name, icon in names.items()
    ]
    for group, names in GROUPS.items()
}
# Streamlit would not find the first page at its own name, which people type.
named = st.Page(PAGES / f"{FIRST}.py", title=t(f"page.{FIRST}"), url_path=FIRST, visibility="hidden")
page = st.navigation({**pages, "": [named]}, position="hidden")
st.html(STYLE)
with st.container(key="title"):
    st.title(page.title, anchor=False)
    speak(language())
    keep_focus()
    visitor.remember()  # before the first run is started
row = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="frame")
with row:
    with st.container(horizontal=True, width="content", key="pages"):
        navigation()
    present.switch()
    names = languages()
    st.segmented_control(
        t("language.label"),
        list(names),
        default=browsers_language(),  # not language(): Streamlit leaves the default out of the link
        format_func=lambda code: code.replace("_", "-"),  # as in the link: ?lang=pt-BR
        required=True,
        label_visibility="collapsed",
        width="content",
        key="lang",
        bind="query-params",
    )
with one_language():  # which cannot be another one below its control
    if page.url_path != "lessons":  # which shows the open lesson itself
        bar()
    page.run()
