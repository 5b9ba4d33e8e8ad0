"""How sure a model is, and whether it may be."""

from __future__ import annotations

import streamlit as st

from core.evaluate import Answers, Calibration, calibration, temperature, tempered
from ui import charts
from ui.tables import offer_csv
from ui.text import language, number, percent, t


def panel(test: Answers, val: Answers | None) -> None:
    """The reliability of the probabilities on test, as they are and divided by a temperature that val has chosen."""
    before = calibration(test)
    st.markdown(_verdict(test, before))
    if val is None:
        st.caption(t("certainty.no_val"))
        _diagram(before, "as_it_is")
        return
    by = temperature(val)
    mended = tempered(test, by)
    after = calibration(mended)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(t("certainty.before", error=percent(before.error, 2), loss=number(test.loss().value, 4)))
        _diagram(before, "before")
    with right:
        st.markdown(
            t(
                "certainty.after",
                temperature=number(by, 2),
                error=percent(after.error, 2),
                loss=number(mended.loss().value, 4),
            )
        )
        _diagram(after, "after")
    st.caption(t("certainty.temperature_help", n=len(val.labels)))


def _verdict(test: Answers, found: Calibration) -> str:
    """Whether the model says more or less than it keeps, in words."""
    says, right = float(test.confidence.mean()), float(test.is_right.mean())
    slots = {
        "says": percent(says, 2),
        "right": percent(right, 2),
        "n": len(test.labels),
        "error": percent(found.error, 2),
    }
    return t("certainty.too_sure" if says > right else "certainty.too_shy", **slots)


def _diagram(found: Calibration, key: str) -> None:
    words = {name: t(f"certainty.{name}") for name in ("confidence", "accuracy", "perfect")} | {
        "images": t("chart.images")
    }
    chart = charts.reliability(found, words=words, language=language())
    st.altair_chart(chart, width="stretch", alt=t("certainty.alt"), key=f"reliability-{key}")
    with st.expander(t("chart.as_table")):
        table = charts.reliability_table(found, words=words)
        st.dataframe(table, hide_index=True, width="stretch")
        offer_csv(table, f"reliability-{key}")
