"""Parallel coordinates: an axis for each field, a line for each run, and a range on each axis that leaves runs out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from core.charts import study as charts
from ui.columns import beside_or_below
from ui.text import language, plain, t

Said = tuple[Any, str]  # a value, None where a run does not use the field, and its words
MOST_AXES = 8


def panel(
    key: str, names: Sequence[str], axes: Callable[[], Mapping[str, Sequence[Said]]], sign: str = ""
) -> set[str] | None:
    """Show, once it is unfolded, the chart and a slider for each axis; returns the runs within all ranges.

    A box drawn on the chart sets the sliders of the axes that it touches. None, while it is folded, leaves out nothing.

    Args:
        key: beginning of the keys in the session state.
        names: of the runs.
        axes: returns the value of each run by the axis's title; those on which all runs are alike are left out, and
            of more than `MOST_AXES` some before the last one.
        sign: of the runs, for the state of a chart: another one begins with all of them.
    """
    folded = st.expander(f"**{t('parallel.title')}**", key=f"{key}-parallel-open", on_change="rerun")
    if not folded.open:
        return None
    with folded:
        found = {title: values for title, values in axes().items() if len({value for value, _ in values}) > 1}
        titles = [*list(found)[: MOST_AXES - 1], *list(found)[MOST_AXES - 1 :][-1:]]
        if len(names) < 2 or len(titles) < 2:
            st.caption(t("parallel.few"))
            return None
        drawn = [charts.axis(title, [value for value, _ in found[title]], dict(found[title])) for title in titles]
        lines = {name: [found[title][place][0] for title in titles] for place, name in enumerate(names)}
        kept = f"{key}{sign}"
        within = {name for name, values in lines.items() if _fits(kept, drawn, values)}
        _chart(key, kept, drawn, lines, within)
    if len(within) < len(names):
        st.caption(t("parallel.within", count=len(within), all=len(names)))
    return within


def _key(key: str, one: charts.Axis) -> str:
    """The key of an axis's range, two places among its values; other values make another one of it."""
    return f"{key}-range-{one.title}-{zlib.crc32(repr(list(one.places)).encode())}"


def _ends(key: str, one: charts.Axis) -> tuple[int, int]:
    low, high = st.session_state.get(_key(key, one), (0, len(one.places) - 1))
    return low, high


def _fits(key: str, axes: Sequence[charts.Axis], values: Sequence[Any]) -> bool:
    for one, value in zip(axes, values, strict=True):
        low, high = _ends(key, one)
        if not low <= list(one.places).index(value) <= high:
            return False
    return True


def _chart(
    key: str, kept: str, axes: Sequence[charts.Axis], lines: Mapping[str, Sequence[Any]], within: set[str]
) -> None:
    """Draw the chart, and the sliders below it.

    `key` begins the keys of containers, which stand in style sheets: a name that people gave must not. `kept` begins
    those of what is chosen.
    """

    def brush() -> None:
        box = st.session_state[f"{kept}-parallel"].get("selection", {}).get(charts.BRUSH, {})
        for place, ends in charts.brushed(axes, box).items():
            st.session_state[_key(kept, axes[place])] = ends

    chart = charts.parallel(axes, lines, [name for name in lines if name in within], language=language())
    # In a narrow window the chart keeps its width, and is moved sideways.
    within_sight = f".st-key-{key}-sideways"
    st.html(
        f"<style>{within_sight} {{ overflow-x: auto; }}"
        f"{within_sight} > div {{ min-width: {charts.PARALLEL * len(axes)}px; }}</style>"
    )
    with st.container(key=f"{key}-sideways"):
        st.altair_chart(
            chart,
            width="stretch",
            key=f"{kept}-parallel",
            on_select=brush,
            selection_mode=charts.BRUSH,
            alt=plain("parallel.alt", fields=", ".join(one.title for one in axes)),
        )
    st.caption(t("parallel.help"))
    with beside_or_below(f"{key}-ranges"):
        for place in range(0, len(axes), 4):
            for column, one in zip(st.columns(4), axes[place : place + 4], strict=False):
                words = [one.words[value] for value in one.places]
                column.select_slider(
                    one.title,
                    range(len(words)),
                    value=_ends(kept, one),
                    format_func=words.__getitem__,
                    key=_key(kept, one),
                    persist_state="session",
                )
    st.button(
        t("parallel.reset"), icon=":material/restart_alt:", key=f"{kept}-reset", on_click=_reset, args=(kept, axes)
    )


def _reset(key: str, axes: Sequence[charts.Axis]) -> None:
    for one in axes:
        st.session_state[_key(key, one)] = 0, len(one.places) - 1
