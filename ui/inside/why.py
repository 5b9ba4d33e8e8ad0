"""Why this answer: maps over the image that say on what a logit hangs, beside those of the untrained network."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from core.inside.network import reach
from core.inside.pictures import over
from core.inside.reasons import REASONS, Reason, similarity
from core.refusal import Refusal
from ui.gallery import gallery
from ui.inside.opened import Opened, asked, reasons
from ui.inside.source import Seen
from ui.inside.waiting import is_ready
from ui.tables import unfolded
from ui.text import language, number, percent, plain, refused, t

SIDE = 172  # px
CLASS = "inside-class"  # key in the session state
ANSWER = -1  # stands for the class that the model names, whichever it is


def panel(one: Opened, seen: Seen) -> None:
    """Show the maps for one class, and what each of them says and does not say."""
    if seen.empty:
        st.info(t("inside.empty_why"))
        return
    names = one.model.names(language())
    shares = one.model.probabilities(seen.image[None])[0]
    best = int(shares.argmax())
    say = {ANSWER: plain("inside.class_answer")} | dict(enumerate(names))
    if st.session_state.get(CLASS, ANSWER) not in say:  # chosen in another run
        del st.session_state[CLASS]
    with st.container(horizontal=True, vertical_alignment="center"):
        named = st.selectbox(
            t("inside.class"),
            list(say),
            format_func=say.__getitem__,
            key=CLASS,
            persist_state="session",
            label_visibility="collapsed",
            width=260,
        )
        k = best if named == ANSWER else named
        key = "inside.class_best" if k == best else "inside.class_other"
        slots = {"name": names[k], "best": names[best], "probability": percent(float(shares[k]))}
        st.markdown(t(key, **slots), width="content")
    work = asked(reasons, one, seen.image, k)
    if not is_ready(work, t("inside.looking_for_reasons"), lambda: reasons.clear(one, seen.image, k)):
        return
    for column, (name, found) in zip(st.columns(len(REASONS)), work.found.result().items(), strict=True):
        with column:
            st.markdown(f"**{t(f'inside.{name}.label')}**")
            if isinstance(found, Refusal):
                refused(found, st.info)
            else:
                _maps(name, seen.image, *found)
    st.caption(t("inside.why_help"))
    _table(work.found.result())


def _maps(name: str, image: np.ndarray, own: Reason, other: Reason) -> None:
    """Show the map of the network and that of the untrained one, each on a scale of its own."""
    maps = [over(image, one.map, reach(one.map)) for one in (own, other)]
    gallery(maps, [plain("inside.this_network"), plain("inside.untrained")], side=SIDE)
    alike = similarity(own.map, other.map)
    st.markdown(t("inside.similarity", similarity="–" if math.isnan(alike) else number(alike, 2)))
    st.caption(t(f"inside.{name}.says"))


def _table(found: dict[str, tuple[Reason, Reason] | Refusal]) -> None:
    """Offer the maps' numbers as a table, which is made once it is unfolded."""
    folded = unfolded("inside-why")
    if not folded:
        return
    maps = {name: each for name, each in found.items() if not isinstance(each, Refusal)}
    first = next(iter(maps.values()))[0].map
    rows, columns = np.indices(first.shape)
    table = {t("inside.row"): rows.ravel(), t("inside.column"): columns.ravel()}
    for name, pair in maps.items():
        for key, one in zip(("inside.this_network", "inside.untrained"), pair, strict=True):
            table[f"{t(f'inside.{name}.label')}: {t(key)}"] = one.map.ravel()
    folded.dataframe(table, hide_index=True, width="stretch")
