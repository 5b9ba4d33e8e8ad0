"""The data set and the network of a spec, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.datasets import Dataset
from core.layers import Row, shape_text
from core.refusal import Refusal
from core.spec import RunSpec
from ui.text import number, t


def summary(rows: Sequence[Row], *, open: bool) -> None:
    """The network's table: what each layer makes of one image, and what it costs."""
    parameters = sum(row.parameters for row in rows)
    with st.expander(t("network.title", parameters=parameters), expanded=open):
        st.dataframe(
            {
                t("network.layer"): [str(row.layer) for row in rows],
                t("network.shape"): [shape_text(row.shape) for row in rows],
                t("network.parameters"): [number(row.parameters) for row in rows],
                t("network.macs"): [number(row.macs) for row in rows],
                t("network.receptive_field"): [row.receptive_field for row in rows],
            },
            width="stretch",
            hide_index=True,
        )
        statistics = sum(row.statistics for row in rows)
        words = t("network.totals", parameters=parameters, macs=sum(row.macs for row in rows))
        st.caption(words + (" " + t("network.statistics", count=statistics) if statistics else ""))


def data_are_here(source: Dataset) -> bool:
    """Whether the data can be used now; if not, offers to fetch them or says why they cannot be had."""
    state, why = source.state()
    if state == "missing":
        st.error(t(why or "data.absent", name=source.name))
    words, icon = t("data.fetch", name=source.title), ":material/download:"
    if state == "fetchable" and st.button(words, icon=icon, type="primary", width="stretch"):
        _fetch(source)
    return state == "ready"


def data_facts(source: Dataset) -> None:
    """How many images the data have, who made them, what may be done with them."""
    counts = " / ".join(number(source.counts[name]) for name in ("train", "val", "test") if source.counts.get(name))
    if counts:
        key = "data.facts_val" if source.counts.get("val") else "data.facts"
        st.caption(t(key, counts=counts, source=source.source, licence=source.licence))
    if source.note:
        st.caption(t(source.note))


def test_use_notice(spec: RunSpec) -> None:
    """Say so where a spec uses its test split for more than one look at the end."""
    if spec.test_use == "watched":
        st.info(t("test_use.notice_watched"))
    if spec.test_use == "selected":
        st.warning(t("test_use.notice_selected"))


def _fetch(source: Dataset) -> None:
    bar = st.progress(0.0, t("data.fetching", done=0.0))

    def progress(done: int, total: int) -> None:
        bar.progress(min(1.0, done / total) if total else 0.0, t("data.fetching", done=done / 1e6))

    try:
        source.fetch(progress)
    except Refusal as refusal:
        bar.empty()
        st.error(t(refusal.key, **refusal.slots))
    else:
        st.rerun()
