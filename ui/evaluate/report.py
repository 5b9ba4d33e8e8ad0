"""The report of a run: its main measures, and one view at a time of the details behind them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from core.events import Report
from core.models.model import DRAWN
from core.recipes.searches import belongs_to, choices_of
from core.store import Run
from ui import beside, hyperparameters, notices, server
from ui.choice import data_name, network_name, one_of
from ui.columns import beside_or_below, in_sight
from ui.evaluate import certainty, encoder, errors, exports, training, versus
from ui.link import copy_link
from ui.measured import classes_table, confusions, matrix_panel, measures_table
from ui.text import interval, language, percent, plain, t

# `report` is offered for a run that repeats a published training.
STYLE = """<style>
.bancada-accuracy { margin: 0; line-height: 1.2; font-size: 0.9rem; }
.bancada-accuracy b { font-size: 2rem; line-height: 1; margin: 0 0.4rem; font-variant-numeric: tabular-nums; }
</style>"""
VIEWS = ("fails", "image", "sure", "encoder", "beside", "report", "numbers", "export")


def panel(run: Run, done: Sequence[str]) -> None:
    """Show the run's stored report, without evaluating the test split again. `done` names the finished runs."""
    report = run.report()
    assert report
    names = server.class_names(run, language())
    matrix = np.array(report.confusion_matrix)
    measured, answers = server.measured(run), server.answers(run, "test")
    assert answers
    views = [view for view in VIEWS if view != "report" or beside.repeats_a_report(run)]
    if st.session_state.get("view") not in (None, *views):  # chosen for another run
        del st.session_state["view"]
    view = one_of("view", views)
    if view == "fails":
        with beside_or_below("matrix-and-errors"):
            left, right = st.columns([1, 1], gap="large")
        with left:
            matrix_panel(matrix, names, key="matrix", chosen=errors.cell(answers), on_click=errors.choose_cell)
        with right, in_sight("cell"):
            errors.gallery_of(run, answers, names)
        with st.container(key="classes"):  # below both: in one column the images follow the matrix
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
    elif view == "export":
        exports.panel(run, [name for name in done if name != run.name])
    else:
        measures_table(measured, replace(answers.loss(), value=report.loss))
        training.ends_table(run, report)
    _said(run, report)
    hyperparameters.panel(run.spec)
    copy_link(run.spec, run)


def _network(run: Run) -> str:
    """The recipe with its title, or the architecture."""
    recipe = belongs_to(run.spec)
    name = network_name(run.spec.architecture, recipe, choices_of(run.spec))
    return f"{name}: {t(f'recipe.{recipe[0]}.title')}," if recipe else name


def summary(run: Run) -> None:
    """Show one line: the test accuracy, large, its interval, the errors among n images, and misuse of the test."""
    report = run.report()
    assert report
    measured = server.measured(run)
    accuracy = measured.accuracy
    facts = [
        plain("evaluate.interval", interval=interval(accuracy.low, accuracy.high, 2)),
        plain("evaluate.errors", count=measured.errors, n=report.n),
        *([plain(f"test_use.{report.test_use}")] if report.test_use != "once" else []),
    ]
    words = " · ".join(map(html.escape, facts))
    value, name = percent(accuracy.value, 2), html.escape(plain("measure.accuracy"))
    st.html(f'{STYLE}<p class="bancada-accuracy">{name} <b>{value}</b> <span>{words}</span></p>')


def _said(run: Run, report: Report) -> None:
    """Say in sentences what the accuracy is that of, and how it was come by."""
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
    training.caption(run, report)
    if run.spec.data in DRAWN:
        st.caption(t("evaluate.people"))
    notices.by_hand_notice(report, run.spec)
    notices.lost_epoch_notice(report)
    notices.taken_notice(run, report)
