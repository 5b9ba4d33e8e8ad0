"""The frame around each page: navigation, title, language."""

from __future__ import annotations

import streamlit as st

from core.words import languages
from ui.server import PAGES
from ui.text import browsers_language, language, t

# Streamlit's margins leave a sixth of a 1280 x 720 projector empty above and beside the page.
# Its captions, links in captions and chosen buttons have a contrast below 4.5:1; they get the colour of the text.
STYLE = """<style>
.stMainBlockContainer { padding: 4rem 2rem 3rem; }
h1 { padding: 0; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] a { color: inherit; opacity: 1; }
button[role="radio"][aria-checked="true"], [data-testid="stMetricDelta"] { color: inherit !important; }
</style>"""
# Declares the page's language, by which a screen reader chooses its voice; Streamlit's own page declares English.
_tell_language = st.components.v2.component(  # pyright: ignore[reportAttributeAccessIssue]
    "bancada.language", js="export default ({ data }) => { document.documentElement.lang = data; };"
)

st.set_page_config(page_title=t("app.title"), page_icon="🔬", layout="wide")
page = st.navigation(
    [
        st.Page(PAGES / "data.py", title=t("page.data"), icon=":material/grid_view:", url_path="data"),
        st.Page(PAGES / "train.py", title=t("page.train"), icon=":material/model_training:", default=True),
        st.Page(PAGES / "recipes.py", title=t("page.recipes"), icon=":material/menu_book:", url_path="recipes"),
        st.Page(PAGES / "evaluate.py", title=t("page.evaluate"), icon=":material/analytics:", url_path="evaluate"),
        st.Page(PAGES / "draw.py", title=t("page.draw"), icon=":material/draw:", url_path="draw"),
        st.Page(
            PAGES / "drawings.py",
            title=t("page.drawings"),
            icon=":material/collections_bookmark:",
            url_path="drawings",
        ),
        st.Page(PAGES / "check.py", title=t("page.check"), icon=":material/fact_check:", url_path="check"),
    ],
    position="top",
)
st.html(STYLE)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    st.title(page.title, anchor=False)
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
_tell_language(data=language().replace("_", "-"))
page.run()
