"""Report 002's searches: every training as a run of its own in the queue, beside what the report measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from core import store
from core.datasets import dataset
from core.recipes import Variant
from core.recipes.search import SEARCHES, Cell, accuracies_of, cells, known_runs, winner
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run
from ui import live, server
from ui.text import language, number, percent, t

DATA = "bloodmnist"


def panel(name: str, variant: Variant) -> None:
    """One search: what is missing of it to run, its trainings, and the heat map of a grid."""
    st.caption(t(f"recipe.{name}.help"))
    runs = known_runs(server.handles())
    try:
        found = cells(SEARCHES[name], accuracies_of(runs), variant)
    except Refusal as refusal:
        st.error(t(refusal.key, **refusal.slots))
        return
    _buttons(name, found, runs)
    left, right = st.columns([1, 1], gap="large")
    with left:
        _table(name, found)
    if len(SEARCHES[name].stages) == 1:
        with right:
            _heat_map(found)


def _buttons(name: str, found: Sequence[Cell], runs: dict[RunSpec, Run]) -> None:
    """Run what is missing, or stop; the page follows when a run begins or ends."""
    missing = [cell.spec for cell in found if cell.measured is None]
    here = dataset(DATA).state()[0] == "ready"
    if not here:
        st.info(t("search.no_data"))
    at_work = [run for spec in missing if (run := runs.get(spec)) and live.status_of(run) in live.LIVELY]

    def run_missing() -> None:
        now = known_runs(server.handles())  # since the page was drawn, somebody else may have begun some
        try:
            for spec in missing:
                run = now.get(spec) or store.create(spec)
                if spec not in now or live.status_of(run) not in (*live.LIVELY, "done"):
                    run.ask("run")
                    server.workers().submit(run)
        except Refusal as refusal:
            st.session_state["refused"] = refusal  # shown beside the recipe

    def stop() -> None:
        for run in at_work:
            run.ask("stop")

    left, right = st.columns(2)
    left.button(
        t("search.run", count=len(missing) - len(at_work)),
        key=f"search-run-{name}",
        icon=":material/play_arrow:",
        type="primary",
        width="stretch",
        disabled=not here or len(missing) == len(at_work),
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

    def follow() -> None:
        if [run for run in at_work if live.status_of(run) in live.LIVELY] != at_work:
            st.rerun()
        done, count = len(found) - len(missing), sum(len(stage.reported) for stage in SEARCHES[name].stages)
        st.progress(done / count, t("search.done", done=done, count=count))

    st.fragment(follow, run_every=live.POLL_CURVES if at_work else None, key=f"search-{name}")()


def _table(name: str, found: Sequence[Cell]) -> None:
    """Every training of the report beside what was measured; a star for the best of a stage."""
    stages = SEARCHES[name].stages
    measured = {(cell.stage, cell.option): percent(cell.measured, 2) for cell in found if cell.measured is not None}
    for place in range(len(stages)):
        if best := winner(cell for cell in found if cell.stage == place):
            measured[place, best.option] += " ★"
    lines = [
        (t(f"search.{stage.choice}"), _option(option), percent(reported, 2), measured.get((place, option), ""))
        for place, stage in enumerate(stages)
        for option, reported in stage.reported.items()
    ]
    names = [t(f"search.{column}") for column in ("stage", "option", "reported", "measured")]
    st.dataframe(
        {column: [line[place] for line in lines] for place, column in enumerate(names)},
        hide_index=True,
        width="stretch",
        key=f"search-table-{name}",
    )
    if len(stages) > 1:
        st.caption(t("search.path"))


def _heat_map(found: Sequence[Cell]) -> None:
    """The grid's accuracies: those measured here, and while there are none those of the report."""
    from ui import charts  # altair and pandas: only where there is a chart

    filters = sorted({cell.option[0] for cell in found})
    kernels = sorted({cell.option[1] for cell in found})
    any_measured = any(cell.measured is not None for cell in found)
    values = np.full((len(filters), len(kernels)), np.nan)
    for cell in found:
        value = cell.measured if any_measured else cell.reported
        values[filters.index(cell.option[0]), kernels.index(cell.option[1])] = np.nan if value is None else value
    chart = charts.heat_map(
        values,
        [number(one) for one in filters],
        [number(one) for one in kernels],
        x_title=t("search.kernel"),
        y_title=t("search.filters"),
        language=language(),
    )
    st.altair_chart(chart, width="stretch", alt=t("search.alt"), key="search-grid")
    st.caption(t("search.shown_measured" if any_measured else "search.shown_reported"))


def _option(option: object) -> str:
    if isinstance(option, tuple):
        filters, kernel = option
        return f"{filters} @ {kernel} x {kernel}"
    return number(option) if isinstance(option, int | float) else t(f"search.option_{option}")
