"""The report of a run: its main measures, and one view at a time of the details behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st

from core.events import Report
from core.exports import zipped
from core.measures.answers import Measure
from core.measures.measures import Measures
from core.models.model import DRAWN
from core.recipes.searches import belongs_to, choices_of
from core.store import Run
from ui import beside, hyperparameters, notices, server
from ui.choice import data_name, network_name, one_of
from ui.evaluate import certainty, encoder, errors, training, versus
from ui.gallery import in_sight
from ui.measured import classes_table, confusions, ends, matrix_chart, measured_number, measures_table
from ui.terms import explained
from ui.text import interval, language, number, percent, t

MOST_ZIPPED = 1 << 29  # bytes of weights that the server packs in memory for a download
# `report` is offered for a run that repeats a published training.
VIEWS = ("fails", "image", "sure", "encoder", "beside", "report", "numbers")


def panel(run: Run, done: Sequence[str]) -> None:
    """Show the run's stored report, without evaluating the test split again. `done` names the finished runs."""
    report = run.report()
    assert report
    names = server.class_names(run, language())
    matrix = np.array(report.confusion_matrix)
    measured, answers = server.measured(run), server.answers(run, "test")
    assert answers
    loss = replace(answers.loss(), value=report.loss)
    _summary(run, report, measured, loss)
    training.caption(run, report)
    if run.spec.data in DRAWN:
        st.caption(t("evaluate.people"))
    notices.by_hand_notice(report, run.spec)
    notices.lost_epoch_notice(report)
    notices.taken_notice(run, report)
    views = [view for view in VIEWS if view != "report" or beside.repeats_a_report(run)]
    if st.session_state.get("view") not in (None, *views):  # chosen for another run
        del st.session_state["view"]
    view = one_of("view", views)
    if view == "fails":
        left, right = st.columns([1, 1], gap="large")
        with left:
            clicked = matrix_chart(matrix, names, key="matrix", on_click=errors.forget_cell)
            st.caption(t("evaluate.matrix_help"))
        with right, in_sight("cell"):
            errors.gallery_of(run, answers, names, clicked)
        with left:
            st.markdown(f"**{t('evaluate.classes')}**")
            classes_table(measured.classes, names)
        confusions(matrix, names)
    elif view == "image":
        errors.one_image(run, answers, names)
    elif view == "sure":
        certainty.panel(run, report, answers)
    elif view == "encoder":
        encoder.panel(run, answers, names, [name for name in done if name != run.name])
    elif view == "beside":
        versus.panel(run, answers, names, [name for name in done if name != run.name])
    elif view == "report":
        beside.run_panel(run, names)
    else:
        measures_table(measured, loss)
        training.ends_table(run, report)
        _downloads(run)
    hyperparameters.panel(run.spec)


def _downloads(run: Run) -> None:
    """Offer the run's exports, each of which is made when its button is clicked, with a sentence on how to use it."""
    size = 4 * run.started().parameters  # float32
    for column, (name, export) in zip(st.columns(2), {"model": "model", "log": "tensorboard"}.items(), strict=True):
        if name == "model" and size > MOST_ZIPPED:
            column.caption(t("evaluate.model_large", run=run.name))
            continue
        column.download_button(
            t(f"evaluate.{name}"),
            partial(zipped, run, export),
            f"{run.name}.zip" if name == "log" else f"{run.name}-model.zip",
            "application/zip",
            on_click="ignore",
            icon=":material/download:",
            width="stretch",
            key=name,
        )
        column.caption(t(f"evaluate.{name}_help"))


def _network(run: Run) -> str:
    """The recipe with its title, or the architecture."""
    recipe = belongs_to(run.spec)
    name = network_name(run.spec.architecture, recipe, choices_of(run.spec))
    return f"{name}: {t(f'recipe.{recipe[0]}.title')}," if recipe else name


def _summary(run: Run, report: Report, measured: Measures, loss: Measure) -> None:
    shown = [
        ("accuracy", percent(measured.accuracy.value, 2), ends(measured.accuracy, percents=True)),
        (
            "balanced_accuracy",
            percent(measured.balanced_accuracy.value, 2),
            ends(measured.balanced_accuracy, percents=True),
        ),
        ("macro_f1", measured_number(measured.macro_f1.value), ends(measured.macro_f1)),
        ("kappa", measured_number(measured.kappa.value), ends(measured.kappa)),
        ("loss", measured_number(loss.value), ends(loss)),
        ("errors", number(measured.errors), t("evaluate.of_images", n=report.n)),
    ]
    for column, (name, value, below) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(
            t(f"measure.{name}"),
            value,
            below,
            "off",
            delta_arrow="off",
            help=explained(f"measure.{name}", t(f"measure.{name}_help")),
        )
    st.caption(
        t(
            "evaluate.said",
            accuracy=percent(report.accuracy, 2),
            interval=interval(*report.accuracy_interval, 2),
            n=report.n,
            use=t(f"test_use.{report.test_use}"),
            epoch=report.best_epoch,
            epochs=report.epochs,
            by=t(f"chosen.{report.best_by}"),
            architecture=_network(run),
            data=data_name(run.spec.data),
        )
    )
