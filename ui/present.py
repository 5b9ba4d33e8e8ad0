"""Presenter view: what a class sees from the last row, at a projector of 1280 x 720."""

from __future__ import annotations

import streamlit as st

from ui.columns import NARROW
from ui.text import t

KEY = "present"  # also in the link: ?present=1
ON = "1"
ZOOM = 1.6  # makes of the charts' 15 px 24, of a page's 16 px 25.6
PAD = 0.75  # of it, so that the whole pad is in sight
CURVES = 235  # px, height of the curves of a training, before the zoom: their axis is in sight

# The pages' links are in their menus, as on a narrow window. What is small otherwise becomes as large as the rest, and
# what a class does not look at is left out: the form beside a run, the boxes that a cell stands for, tables below.
STYLE = f"""<style>
.stMain {{ zoom: {ZOOM}; height: calc(100dvh / {ZOOM}); }}
[data-testid="stPopoverBody"] > *, [role="listbox"], [data-testid="stTooltipContent"] {{ zoom: {ZOOM}; }}
.stMainBlockContainer {{ padding: 0 1rem 1rem; }}
.stMainBlockContainer :is(small, .group-name, figcaption, label, button, td, th, input, p, li, code)
  {{ font-size: 1rem; }}
.stMainBlockContainer [data-testid="stMetricDelta"] * {{ font-size: 1rem; }}
.stMainBlockContainer [data-testid="stMetricValue"] * {{ font-size: inherit; }}
[data-testid="stFullScreenFrame"] {{ width: calc(100% / {ZOOM}); }}
.st-key-frame {{ min-height: 2.25rem; }}
[class*="st-key-group-"] > * {{ display: none; }}
[class*="st-key-group-"] > :has(.stPopover) {{ display: block; }}
.stMainBlockContainer :is([data-testid="stCaptionContainer"], [data-testid="stElementToolbar"], .stExpander),
[data-testid="stHorizontalBlock"]:has(> * .st-key-live) > [data-testid="stColumn"]:not(:has(.st-key-live)),
:has(> .st-key-live-choice), .st-key-classes, .st-key-keep-as, .st-key-nickname,
.st-key-cell [data-testid="stHorizontalBlock"]:has(.stSelectbox),
.st-key-view, .st-key-cells, .st-key-matrix-diagonal,
[data-testid="stColumn"]:has(.st-key-run):not(:has(.st-key-live)) {{ display: none; }}
@media (min-width: {NARROW + 1}px) {{
  [data-testid="stHorizontalBlock"]:has(> * .st-key-matrix) {{ gap: 1rem; flex-wrap: nowrap; }}
  [data-testid="stColumn"]:has(.st-key-matrix) {{ flex: 0 0 58%; }}
  [data-testid="stColumn"]:has(.st-key-cell) {{ flex: 1 1 0; min-width: 0; }}
}}
@media (min-width: {NARROW + 1}px) {{
  .st-key-inside-columns [data-testid="stColumn"]:has(.st-key-pad) {{ flex: 0 1 31%; }}
  .st-key-inside-columns [data-testid="stColumn"]:has(.st-key-pad) + [data-testid="stColumn"] {{ flex: 1 1 0; }}
  .st-key-inside-columns [data-testid="stColumn"]:nth-child(3) {{ min-width: 100%; }}
}}
.stMain {{ --bancada-text: 1rem; --bancada-row: 1.45rem; --bancada-cell: 1.5rem; }}
.st-key-canvas-sheet, .st-key-pad {{ zoom: {PAD}; --bancada-text: calc(1rem / {PAD}); }}
.st-key-live-curves {{ min-height: {CURVES + 30}px; }}
</style>"""


def is_on() -> bool:
    """Whether the reader presents: by the switch, else by the link."""
    return (st.session_state[KEY] if KEY in st.session_state else st.query_params.get(KEY)) == ON


def switch() -> None:
    """Show the switch, keep its state in the link, and enlarge the page when it is on."""
    st.pills(
        t("present.label"),
        [ON],
        default=ON if is_on() else None,
        format_func=lambda _: f":material/co_present: {t('present.word')}",
        label_visibility="collapsed",
        width="content",
        key=KEY,  # not bound to the link by Streamlit, which would write the icon's name there
        help=t("present.help"),
    )
    if is_on():
        st.query_params[KEY] = ON
        st.html(STYLE)
    else:
        st.query_params.pop(KEY, None)
