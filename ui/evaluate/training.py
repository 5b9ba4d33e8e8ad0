"""How runs came to their test results: training figures beside the test's; two runs' cost and curves side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.charts import curves
from core.events import Epoch, Report
from core.measures.answers import Answers
from core.measures.instability import instability
from core.measures.measures import proportion
from core.recipes.results import epochs_to
from core.spec import RunSpec
from core.store import Run
from ui import server
from ui.hyperparameters import computed
from ui.tables import folded_table, offer_csv
from ui.text import duration, interval, language, number, percent, plain, t

FIGURES = ("train_accuracy", "train_loss", "val_accuracy", "val_loss")
SIDES = ("this", "other")


def ends(run: Run, report: Report) -> dict[str, Epoch]:
    """The epoch whose weights are kept, as `kept`, and the last one, as `last`; only those that the log has."""
    told = _epochs(run)
    kept = next((event for event in told if event.epoch == report.best_epoch), None)
    return {name: event for name, event in (("kept", kept), ("last", told[-1] if told else None)) if event}


def caption(run: Run, report: Report) -> None:
    """Say the training accuracy of the kept and of the last epoch, and that it is not the test's."""
    found = ends(run, report)
    if "kept" not in found:
        return
    kept, last = found["kept"], found["last"]
    slots = {"accuracy": percent(kept.train_accuracy, 2), "loss": number(kept.train_loss, 4), "epoch": kept.epoch}
    slots |= {"last_accuracy": percent(last.train_accuracy, 2), "last_loss": number(last.train_loss, 4)}
    key = "evaluate.trained" if kept.epoch == last.epoch else "evaluate.trained_on"
    st.caption(t(key, **slots, last=last.epoch))


def ends_table(run: Run, report: Report) -> None:
    """Show accuracy and loss on train and val in the kept and in the last epoch."""
    found = ends(run, report)
    if not found:
        return
    st.markdown(f"**{t('evaluate.epochs')}**")
    table = {"": [t(f"trained.{name}", epoch=event.epoch) for name, event in found.items()]}
    for name in FIGURES:
        values = [getattr(event, name) for event in found.values()]
        table[t(f"measure.{name}")] = [percent(v, 2) if name.endswith("accuracy") else number(v, 4) for v in values]
    st.dataframe(table, hide_index=True, width="stretch")
    st.caption(t("evaluate.epochs_help"))
    if run.spec.split == "test":
        st.caption(t("evaluate.val_is_test"))
    columns = {name: [getattr(event, name) for event in found.values()] for name in ("epoch", *FIGURES)}
    offer_csv(pd.DataFrame({"which": list(found), **columns}), "epochs")


def costs(runs: Sequence[Run], answers: Sequence[Answers]) -> None:
    """Show what this run and the other reached, and at what cost, one column each."""
    columns = [_cost(run, one) for run, one in zip(runs, answers, strict=True)]
    table = {"": [t(f"compare.{name}") for name in columns[0]]}
    table |= {t(f"compare.column_{side}"): list(cells.values()) for side, cells in zip(SIDES, columns, strict=True)}
    st.table(table, hide_index=True)  # wraps long text, unlike `st.dataframe`
    st.caption(t("compare.costs_help"))


def _cost(run: Run, answers: Answers) -> dict[str, str]:
    report, started = run.report(), run.started()
    assert report
    found = proportion(int(answers.is_right.sum()), len(answers.labels))
    slots = {"accuracy": percent(found.value, 2), "interval": interval(found.low, found.high, 2)}
    kept = ends(run, report).get("kept")
    parameters = number(started.parameters)
    if started.frozen:
        parameters = t("compare.frozen", parameters=parameters, frozen=number(started.frozen))
    processor = report.processor_seconds
    return {
        "test_accuracy": t("compare.accuracy", **slots, n=found.n),
        "train_accuracy": percent(kept.train_accuracy, 2) if kept else "–",
        "epochs": t("compare.kept_of", epoch=report.best_epoch, epochs=report.epochs),
        "parameters": parameters,
        "seconds": duration(report.seconds),
        "processor_seconds": "–" if processor is None else duration(processor),
        "device": computed(started),
    }


def courses(runs: Sequence[Run]) -> None:
    """Show the learning curves of this run and the other in common charts, how unstable they are and how fast."""
    told = [_epochs(run) for run in runs]
    if not all(told):  # a damaged log
        return
    st.subheader(t("compare.courses"))
    names = {f"{part}_{side}": plain(f"compare.{part}_{side}") for part in ("val", "train") for side in SIDES}
    last = max(events[-1].epoch for events in told)
    for column, what in zip(st.columns(2), ("accuracy", "loss"), strict=True):
        series = {
            f"{part}_{side}": [(event.epoch, getattr(event, f"{part}_{what}")) for event in events]
            for part in ("val", "train")
            for side, events in zip(SIDES, told, strict=True)
        }
        values = [value for points in series.values() for _, value in points]
        # Round ends, as near to the curves as they allow; an axis needs a length also where all values are 1 or 0.
        of_accuracy, of_loss = (
            (min(0.9, math.floor(10 * min(values)) / 10), 1),
            (0, max(0.1, math.ceil(10 * max(values)) / 10)),
        )
        chart = curves.curves(
            series,
            names=names,
            x_title=t("chart.epoch"),
            y_title=t(f"chart.{what}"),
            x_domain=(0, last),
            y_domain=of_accuracy if what == "accuracy" else of_loss,
            legend_columns=2,
            language=language(),
        )
        column.altair_chart(chart, key=f"course-{what}", width="stretch", alt=t(f"compare.{what}_alt"))
        with column:
            table = curves.curves_table(series, x_title=t("chart.epoch"), names=names)
            with folded_table(table):
                offer_csv(table, f"course-{what}")
    _speed(told)
    if any(run.spec.split == "test" for run in runs):
        st.caption(t("evaluate.val_is_test"))
    elif len({val_rule(run.spec) for run in runs}) > 1:
        st.caption(t("compare.other_val"))


def _speed(told: Sequence[Sequence[Epoch]]) -> None:
    """Show how unstable each run's curves on val are, and its first epoch at an accuracy that the reader chooses."""
    left, right = st.columns([1, 3], gap="large")
    chosen = left.number_input(
        t("compare.target"), 0.01, 100.0, 98.0, 0.5, format="%g", key="compare-target", persist_state="session"
    )
    target = round(chosen / 100, 6)  # the nearest number to the decimal that was written, as an accuracy is
    unstable = [t(f"compare.unstable_{what}") for what in ("accuracy", "loss")]
    table = {"": [*unstable, t("recipes.reached", target=percent(target, 2))]}
    for side, events in zip(SIDES, told, strict=True):
        accuracies = [event.val_accuracy for event in events]
        swings, of_loss = instability(accuracies), instability([event.val_loss for event in events])
        place, best = epochs_to(target, accuracies), percent(max(accuracies), 2)
        table[t(f"compare.column_{side}")] = [
            "–" if swings is None else t("compare.points", points=number(100 * swings, 2)),
            "–" if of_loss is None else number(of_loss, 4),
            number(events[place - 1].epoch) if place else t("recipes.not_reached", best=best),
        ]
    right.table(table, hide_index=True)
    st.caption(t("compare.instability_help"))


def _epochs(run: Run) -> list[Epoch]:
    return [event for event in server.events(run) if isinstance(event, Epoch)]


def val_rule(spec: RunSpec) -> tuple[object, ...]:
    """What decides which images are in val: equal for two runs of the same data with the same val split."""
    by_share = spec.val_fraction if spec.split in ("stratified", "first_last") else None
    return spec.data, spec.split, by_share, spec.seed if spec.split == "stratified" else None
