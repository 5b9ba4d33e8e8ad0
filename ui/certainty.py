"""How sure a model is, and whether it may be."""

from __future__ import annotations

import math

import streamlit as st

from core.evaluate import Answers, Calibration, calibration, tempered
from core.events import Report
from core.store import Run
from ui import charts, server
from ui.tables import offer_csv
from ui.text import language, number, percent, t


def panel(run: Run, report: Report, test: Answers) -> None:
    """The reliability of the probabilities on test, as they are and divided by a temperature that val has chosen."""
    before = calibration(test)
    st.markdown(_verdict(test, before))
    st.caption(t("certainty.error_help"))
    val = server.answers(run, "val")
    by = server.best_temperature(run.folder, report.predictions_sha256)
    if val is None or by is None:
        st.caption(t("certainty.no_val" if val is None else "certainty.no_errors", n=report.n))
        _diagram(before, "as_it_is")
        return
    mended = tempered(test, by)
    after = calibration(mended)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(t("certainty.before", error=percent(before.error, 2), loss=number(report.loss, 4)))
        _diagram(before, "before")
    with right:
        slots = {"error": percent(after.error, 2), "loss": number(mended.loss().value, 4)}
        st.markdown(t("certainty.after", temperature=number(by, 2), **slots))
        _diagram(after, "after")
    st.caption(t("certainty.temperature_help", n=len(val.labels)))


def _verdict(test: Answers, found: Calibration) -> str:
    """Whether the model says more or less than it keeps, in words; a difference only where chance makes none such."""
    excess = test.confidence.astype(float) - test.is_right
    error = float(excess.std()) / math.sqrt(len(excess))
    key = "too_sure" if excess.mean() > 1.96 * error else "too_shy" if excess.mean() < -1.96 * error else "fair"
    says, right = percent(float(test.confidence.mean()), 2), percent(float(test.is_right.mean()), 2)
    return t(f"certainty.{key}", says=says, right=right, n=len(test.labels), error=percent(found.error, 2))


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
