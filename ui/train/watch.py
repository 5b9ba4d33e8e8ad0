"""Diagnosis of a network while it trains: warnings, and histograms of weights and gradients over the epochs."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.events import Event, Inside
from core.networks.layers import in_words
from core.spec import RunSpec
from core.training.diagnosis import diagnose
from ui.choice import one_of
from ui.tables import folded_table
from ui.text import language, t

KINDS = ("weight", "bias", "gradient")


def findings(spec: RunSpec, events: Sequence[Event]) -> None:
    """Show a warning for each problem found in the training."""
    for finding in diagnose(spec, events):
        st.warning(t(finding.key, **finding.slots), icon=":material/stethoscope:")


def histograms(spec: RunSpec, events: Sequence[Event]) -> None:
    """Show, if switched on, histograms over the epochs of a layer's weights, biases or gradients."""
    told = [event for event in events if isinstance(event, Inside)]
    if not told or not st.toggle(t("watch.show"), key="watch", persist_state="session"):
        return
    from core.charts import curves  # altair and pandas are imported only for a chart

    numbers = sorted({one.layer for one in told[-1].histograms})
    layers = {number: f"{number}  {in_words(spec.layers[number - 1]).say(language())}" for number in numbers}
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    with left:
        number = st.selectbox(t("network.layer"), numbers, format_func=layers.__getitem__, key="watch-layer")
    with right:
        kind = one_of("series", KINDS)
    series = [
        (event.epoch, one) for event in told for one in event.histograms if (one.layer, one.what) == (number, kind)
    ]
    if not series:
        st.caption(t("watch.none"))
        return
    words = {"x_title": t("chart.epoch"), "y_title": t(f"series.{kind}"), "share_title": t("watch.share")}
    chart = curves.histograms(series, language=language(), **words)
    st.altair_chart(chart, width="stretch", alt=t("watch.alt"), key="watch-chart")
    folded_table(curves.histograms_table(series, **words))
