"""The searches of report 002: every training is a run in the queue, shown beside the report's accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.datasets import dataset
from core.events import Event
from core.recipes import Variant
from core.recipes.searches import SEARCHES, option_text
from core.refusal import Refusal
from core.search import Cell, accuracies_of, cells, later, time_left, winner
from core.spec import RunSpec
from core.store import Run
from ui import server
from ui.status import LIVELY, POLL_CURVES, status_of
from ui.tables import Said, sortable
from ui.text import duration, kept_refusal, language, number, percent, refused, show_refusal, t

DATA = "bloodmnist"


def panel(name: str, variant: Variant) -> None:
    """Show one search: buttons to run what is missing, its stages, its trainings, and the heat map of a grid."""
    st.caption(t(f"recipe.{name}.help"))
    runs = server.known()
    try:
        found = cells(SEARCHES[name], accuracies_of(runs), variant)
    except Refusal as refusal:
        refused(refusal)
        return
    _buttons(name, variant, found, runs)
    if len(SEARCHES[name].stages) > 1:
        _path(name, found)
        _table(name, found)
    else:
        left, right = st.columns([1, 1], gap="large")
        with left:
            _table(name, found)
        with right:
            _heat_map(found)


def _buttons(name: str, variant: Variant, found: Sequence[Cell], runs: dict[RunSpec, Run]) -> None:
    """Show progress, and buttons that run the missing trainings or stop; reruns the page when a run begins or ends."""
    search, refusal = SEARCHES[name], f"search.refused.{name}"
    here = dataset(DATA).state()[0] == "ready"
    if not here:
        st.info(t("search.no_data"))

    def look() -> list[Run]:
        """The runs at work, including a finished one until the trainings that follow it are queued."""
        begun = [run for cell in found if (run := runs.get(cell.spec))]
        return [run for run in begun if server.workers().place(run) is not None or status_of(run) in LIVELY]

    at_work = look()
    idle = sum(cell.measured is None and runs.get(cell.spec) not in at_work for cell in found)

    def run_missing() -> None:
        with kept_refusal(refusal):
            for run in server.searches().runs(name, variant):
                server.workers().resume(run)

    def stop() -> None:
        with kept_refusal(refusal):
            for run in at_work:
                server.workers().stop(run)

    left, right = st.columns(2)
    left.button(
        t("search.run", count=idle and idle + later(search, found)),
        key=f"search-run-{name}",
        icon=":material/play_arrow:",
        type="primary",
        width="stretch",
        disabled=not here or not idle,
        on_click=run_missing,
    )
    right.button(
        t("search.stop", count=len(at_work)),
        key=f"search-stop-{name}",
        icon=":material/stop:",
        width="stretch",
        disabled=not at_work,
        on_click=stop,
    )
    show_refusal(refusal)

    def follow() -> None:
        if look() != at_work:
            st.rerun()
        done, count = sum(cell.measured is not None for cell in found), sum(len(one.options) for one in search.stages)
        words = [t("search.done", done=done, count=count)]
        begun = {cell.spec: run for cell in found if (run := runs.get(cell.spec))}
        seconds = time_left(search, found, {spec: _told(run) for spec, run in begun.items()}) if at_work else None
        if seconds is not None:
            words.append(t("search.left", seconds=duration(seconds)))
        st.progress(done / count, " · ".join(words))

    st.fragment(follow, run_every=POLL_CURVES if at_work else None, key=f"search-{name}")()


def _told(run: Run) -> Sequence[Event]:
    """The events of a run; of a finished run its report alone."""
    report = run.report()
    return [report] if report else server.events(run)


def _path(name: str, found: Sequence[Cell]) -> None:
    """Show each stage of a search: the option that it has chosen, or how many of its trainings are done."""
    stages = SEARCHES[name].stages
    for place, (column, stage) in enumerate(zip(st.columns(len(stages)), stages, strict=True)):
        here = [cell for cell in found if cell.stage == place]
        done = sum(cell.measured is not None for cell in here)
        best = winner(here)
        value, below = "–", t("search.of_stage", done=done, count=len(stage.options))
        if best and best.measured is not None:
            value, below = f"{option_text(best.option, language())} ★", percent(best.measured, 2)
        column.metric(f"{place + 1}. {t(f'search.{stage.choice}')}", value, below, "off", delta_arrow="off")


def _table(name: str, found: Sequence[Cell]) -> None:
    """Show every training of the report beside the measured accuracy, with a star for the best of each stage."""
    stages = SEARCHES[name].stages
    best = [winner(cell for cell in found if cell.stage == place) for place in range(len(stages))]
    measured: dict[tuple[int, object], Said] = {
        (cell.stage, cell.option): (cell.measured, percent(cell.measured, 2) + " ★" * (cell in best))
        for cell in found
        if cell.measured is not None
    }
    lines = [
        (
            t(f"search.{stage.choice}"),
            option_text(option, language()),
            (reported, percent(reported, 2)),
            measured.get((place, option), (None, "")),
        )
        for place, stage in enumerate(stages)
        for option, reported in stage.reported.items()
    ]
    names = [t(f"search.{column}") for column in ("stage", "option", "reported", "measured")]
    st.dataframe(
        sortable({column: [line[place] for line in lines] for place, column in enumerate(names)}),
        hide_index=True,
        placeholder="",
        height="content" if len(stages) > 1 else "auto",
        width="stretch",
        key=f"search-table-{name}",
    )
    if len(stages) > 1:
        st.caption(t("search.path"))


def _heat_map(found: Sequence[Cell]) -> None:
    """Show the grid's accuracies as a heat map: those measured here, or the report's while none is measured."""
    from core.charts import matrices  # altair and pandas are imported only for a chart

    filters = sorted({cell.option[0] for cell in found})
    kernels = sorted({cell.option[1] for cell in found})
    any_measured = any(cell.measured is not None for cell in found)
    values = np.full((len(filters), len(kernels)), np.nan)
    for cell in found:
        value = cell.measured if any_measured else cell.reported
        values[filters.index(cell.option[0]), kernels.index(cell.option[1])] = np.nan if value is None else value
    chart = matrices.heat_map(
        values,
        [number(one) for one in filters],
        [number(one) for one in kernels],
        x_title=t("search.kernel"),
        y_title=t("search.filters"),
        language=language(),
    )
    st.altair_chart(chart, width="stretch", alt=t("search.alt"), key="search-grid")
    st.caption(t("search.shown_measured" if any_measured else "search.shown_reported"))
