"""The learning-rate finder: a button that tries growing rates, the chart of what they did, and one to take the best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import streamlit as st

from core.spec import RunSpec
from core.workers.sweep import STEPS, Sweep, swept
from ui import form, server
from ui.tables import unfolded
from ui.text import language, number, plain, refused, t

ASKED = "rates.asked"  # key in the session state: the spec, `swept`, for which the visitor asked
POLL = 0.7  # seconds between two looks at a sweep at work


def finder(spec: RunSpec) -> None:
    """Show the button that tries growing learning rates for the spec, what was tried, and what is suggested."""
    asked = st.session_state.get(ASKED) == swept(spec)
    lasting = asked and not server.sweep(swept(spec)).is_over()

    def show() -> None:
        if not asked:
            icon, help = ":material/show_chart:", t("rates.help")
            if st.button(t("rates.ask"), icon=icon, help=help, key="rates-ask", width="stretch"):
                st.session_state[ASKED] = swept(spec)
                st.rerun()  # the whole page, which then polls
            return
        found = server.sweep(swept(spec))
        if lasting and found.is_over():
            st.rerun()  # the whole page, which then no longer polls
        with st.container(border=True, key="rates"):
            _show(found, spec)

    st.fragment(show, run_every=POLL if lasting else None, key="rates-fragment")()


def _show(found: Sweep, spec: RunSpec) -> None:
    tried = found.tried[:]
    if not found.is_over():
        words = t("rates.lasting", step=tried[-1]["step"], steps=STEPS, rate=_short(tried[-1]["rate"])) if tried else ""
        st.progress(len(tried) / STEPS, words or t("rates.begins"))
        _button("stop", ":material/stop:", found.stop, width="stretch")
    elif found.refusal:
        refused(found.refusal)
    elif found.found is None:
        st.caption(t("rates.stopped", step=len(tried), steps=STEPS))
    else:
        _suggest(found.found, spec)
    if len(tried) > 1:
        _chart(tried, (found.found or {}).get("rate"))
    if found.is_over():
        st.caption(t("rates.rule"))
        with st.container(horizontal=True):
            if not found.found:
                _button("again", ":material/refresh:", lambda: server.sweep.clear(swept(spec)))
            _button("close", ":material/close:", _close)


def _suggest(found: dict[str, Any], spec: RunSpec) -> None:
    """Say what is suggested and why, and show the button that takes it into the form."""
    if not found:
        st.warning(t("rates.none"))
        return
    st.markdown(
        t(f"rates.{found['because']}", **{name: _short(found[name]) for name in ("rate", "steepest", "lowest")})
    )
    if spec.learning_rate == found["rate"]:
        st.caption(":material/check: " + t("rates.taken", rate=_short(found["rate"])))
        return
    rate = found["rate"]
    _button("take", ":material/check:", lambda: form.put("learning_rate", rate), rate=_short(rate), width="stretch")


def _chart(tried: list[dict[str, Any]], suggested: float | None) -> None:
    from core.charts import curves  # altair and pandas are imported only for a curve

    points = [(one["rate"], one["loss"], one["smoothed"]) for one in tried if one["loss"] > 0]
    names = {name: plain(f"rates.{name}") for name in ("smoothed", "batch", "suggested")}
    titles: dict[str, Any] = {"x_title": plain("rates.rate"), "names": names, "language": language()}
    chart = curves.rates(points, y_title=plain("rates.loss"), suggested=suggested, **titles)
    lowest = min(tried, key=lambda one: one["smoothed"])
    ends = {"low": _short(tried[0]["rate"]), "high": _short(tried[-1]["rate"])}
    slots = ends | {"steps": len(tried), "loss": _short(lowest["smoothed"]), "rate": _short(lowest["rate"])}
    st.altair_chart(chart, key="rates-chart", width="stretch", alt=plain("rates.alt", **slots))
    st.caption(t("rates.seen", **slots))
    if folded := unfolded("rates"):
        folded.dataframe(curves.rates_table(points, **titles), hide_index=True, width="stretch")


def _short(value: float) -> str:
    """A number with two significant digits."""
    return number(float(f"{value:.2g}"))


def _button(
    name: str, icon: str, act: Callable[[], None], *, width: Literal["stretch", "content"] = "content", **slots: str
) -> None:
    """Show a button; a click acts before the whole page, not this part of it alone, is drawn again."""
    if st.button(t(f"rates.{name}", **slots), icon=icon, on_click=act, key=f"rates-{name}", width=width):
        st.rerun()


def _close() -> None:
    st.session_state.pop(ASKED, None)
