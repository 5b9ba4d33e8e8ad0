"""Calibration of a model: its average confidence beside its accuracy, and the effect of a temperature."""

from __future__ import annotations

import math

import streamlit as st

from core.charts import bars
from core.events import Report
from core.measures.answers import LEAST_ERRORS, Answers, Measure, loss_change
from core.measures.calibration import Calibration, calibration, gap_slots, sentence, tempered
from core.store import Run
from ui import server
from ui.tables import folded_table, offer_csv
from ui.text import as_written, language, number, percent, t


def panel(run: Run, report: Report, test: Answers) -> None:
    """Show the calibration on test, of the probabilities as they are and with a temperature that was fitted on val."""
    before = calibration(test)
    key, said = sentence(test, before, language())
    st.markdown(t(key, **as_written(said)))
    val = server.answers(run, "val")
    by = server.best_temperature(run)
    if val is None or by is None:
        st.caption(t("certainty.no_val" if val is None else "certainty.no_errors", n=report.n))
        _diagram(before, "as_it_is")
        st.caption(t("certainty.error_help"))
        return
    mended = tempered(test, by)
    after = calibration(mended)
    st.markdown(_effect(loss_change(test, mended), mended.gap()))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(t("certainty.before", error=percent(before.error, 2), loss=number(report.loss, 4)))
        _diagram(before, "before")
    with right:
        slots = {"error": percent(after.error, 2), "loss": number(mended.loss().value, 4)}
        st.markdown(t("certainty.after", temperature=number(by, 2), **slots))
        _diagram(after, "after")
    st.caption(t("certainty.error_help"))
    st.caption(t("certainty.temperature_help", n=len(val.labels)))


def _effect(change: Measure, gap: Measure) -> str:
    """A sentence: whether the temperature changes the loss beyond chance, and the gap of confidence that remains."""
    slots = {"change": number(change.value, 4), **as_written(gap_slots(gap, language()))}
    if not math.isfinite(change.low):
        return t("certainty.effect_unknown", least=LEAST_ERRORS, **slots)
    by_loss = t(f"certainty.{('helps', 'same', 'worse')[1 + _side(change)]}")
    interval = t("number.interval", low=number(change.low, 4), high=number(change.high, 4))
    return t("certainty.effect", by_loss=by_loss, interval=interval, **slots)


def _side(measure: Measure) -> int:
    """1 if both ends are above 0, -1 if both are below, else 0; ends are rounded as shown, so that the words fit."""
    return int(round(measure.low, 4) > 0) - int(round(measure.high, 4) < 0)


def _diagram(found: Calibration, key: str) -> None:
    words = {name: t(f"certainty.{name}") for name in ("confidence", "accuracy", "perfect")} | {
        "images": t("chart.images")
    }
    chart = bars.reliability(found, words=words, language=language())
    st.altair_chart(chart, width="stretch", alt=t("certainty.alt"), key=f"reliability-{key}")
    table = bars.reliability_table(found, words=words)
    with folded_table(table):
        offer_csv(table, f"reliability-{key}")
