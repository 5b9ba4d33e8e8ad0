"""The searches: every training is a run in the queue, shown beside the report's; the test split is read at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.datasets import dataset, datasets
from core.events import Epoch, Event
from core.measures.selection import MANY, decision, decision_sentence
from core.recipes import Variant
from core.recipes.reported import Reported, Series
from core.recipes.searches import SEARCHES, VAL_IMAGES, choices_text, option_text, path, repeats, reported_of
from core.refusal import Refusal
from core.search import (
    Cell,
    Search,
    accuracies_of,
    cells,
    chosen,
    done_and_all,
    failures,
    largest,
    later,
    parameters,
    time_left,
    trained_epochs,
    winner,
)
from core.spec import RunSpec, default, read_field
from core.store import Run
from core.training.ready import check
from core.training.transfer import fits
from core.words import FALLBACK
from ui import estimate, server
from ui.choice import data_name, linked_row, row_of
from ui.data_card import data_are_here
from ui.search.chance import chance
from ui.search.state import BEST, NEAR, SIMPLEST
from ui.status import LIVELY, POLL_CURVES, status_of
from ui.tables import Said, sortable, wide_table_hint
from ui.text import (
    duration,
    interval,
    kept_refusal,
    language,
    literal,
    number,
    percent,
    plain,
    refused,
    show_refusal,
    t,
)

CHOSEN = "search"  # key in the session state and in the link: the search that is shown
DATA, SEED = "search-data", "search-seed"  # keys in the session state; in the link `data` and `seed`
LINK = (CHOSEN, "data", "seed")  # what of this view stands in the page's link
MOST_SEED = 2**31 - 1
ASKED = "search.asked"  # key in the session state: the training whose time was asked for
MEASURES: tuple[Series, ...] = ("val_accuracy", "val_loss")

Runs = Mapping[RunSpec, Run]
Place = tuple[int, object]  # (number of the stage, option)


def panel(variant: Variant) -> None:
    """Let the reader choose a search, its data and seed, and show it: buttons, way, trainings, curves."""
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        name = linked_row(t("search.title"), {name: t(f"search.short.{name}") for name in SEARCHES}, CHOSEN)
        st.markdown(f"**{t(f'recipe.{name}.title')}**")
    search = SEARCHES[name]
    with right:
        others = _data_and_seed(search)
    runs = server.known()
    try:
        found = cells(search, accuracies_of(runs), variant, **others)
        _buttons(name, variant, found, runs, others)
        _failures(found, runs)
        if len(search.stages) > 1:
            _way(search, found)
        _outcome(name, found, runs)
        if _is_grid(search):
            _heat_maps(found, runs)
        is_own = others["data"] == search.data  # the report's figures are not comparable with those on other data
        _table(name, found, runs, is_own=is_own)
    except Refusal as refusal:
        refused(refusal)
        return
    # Their charts take longer than the rest of the page, so they are made on demand.
    folded = st.expander(f"**{t('search.curves')}**", key="search-curves-open", on_change="rerun")
    if folded.open:
        with folded:
            _curves(name, found, runs, is_own=is_own)
    st.caption(t(f"recipe.{name}.help"))


def _data_and_seed(search: Search) -> dict[str, Any]:
    """Let the reader choose on which data and with which seed the search trains.

    At first it is what the link says; else the report's own data, or if they are not here those of the app.
    """
    first = search.stages[0]
    own = search.spec({**search.start, first.choice: first.options[0]}, "faithful")
    left, right = st.columns([2, 1])
    known = datasets()
    names = {key: data_name(key) for key in known}
    linked, seed = st.query_params.get("data"), read_field("seed", st.query_params.get("seed", ""), FALLBACK)
    if DATA not in st.session_state and linked in names:
        st.session_state[DATA] = linked
    if SEED not in st.session_state and isinstance(seed, int) and 0 <= seed <= MOST_SEED:
        st.session_state[SEED] = seed
    start = own.data if known[own.data].state()[0] == "ready" else default("data")
    st.query_params["data"] = data = left.selectbox(
        t("spec.data.label"),
        list(names),
        index=list(names).index(start),
        format_func=names.__getitem__,
        key=DATA,
        persist_state="session",
    )
    seed = right.number_input(t("spec.seed.label"), 0, MOST_SEED, own.seed, key=SEED, persist_state="session")
    st.query_params["seed"] = str(seed)
    return {"data": data, "seed": seed}


def _buttons(name: str, variant: Variant, found: Sequence[Cell], runs: Runs, others: Mapping[str, Any]) -> None:
    """Show progress, and buttons that run the missing trainings or stop; reruns the page when a run begins or ends."""
    search, refusal = SEARCHES[name], f"search.refused.{name}"
    here = data_are_here(dataset(others["data"]), key="search-fetch")

    def look() -> list[Run]:
        """The runs at work, including a trained one until the trainings that follow it are queued."""
        begun = dict.fromkeys(run for cell in found if (run := runs.get(cell.spec)))
        return [run for run in begun if server.workers().place(run) is not None or status_of(run) in LIVELY]

    at_work, best = look(), chosen(search, found)
    idle = sum(cell.measured is None and runs.get(cell.spec) not in at_work for cell in found)
    is_unread = bool(best and not runs[best.spec].report() and runs[best.spec] not in at_work)

    def run_missing() -> None:
        with kept_refusal(refusal):
            for spec in dict.fromkeys(cell.spec for cell in found if cell.measured is None):
                check(spec, server.counts(spec), fits(spec).rows)
            for run in server.searches().runs(name, variant, **others):
                server.workers().resume(run)

    def stop() -> None:
        with kept_refusal(refusal):
            for run in at_work:
                server.workers().stop(run)

    left, right = st.columns(2)  # each button has its own place: a second click on one must not hit the other
    if idle or is_unread:
        words = t("search.test") if is_unread else t("search.run", count=idle + later(search, found))
        button: dict[str, Any] = {
            "type": "primary",
            "icon": ":material/play_arrow:",
            "key": f"search-run-{name}",
            "width": "stretch",
        }
        if left.button(words, **button, disabled=not here) and here:
            run_missing()
            st.rerun()
    if at_work or st.session_state.get(f"search-stop-{name}"):  # it may have been clicked before the last one ended
        button: dict[str, Any] = {"icon": ":material/stop:", "key": f"search-stop-{name}", "width": "stretch"}
        if right.button(t("search.stop", count=len(at_work)), **button):
            stop()
            st.rerun()
    show_refusal(refusal)
    measuring = estimate.is_lasting(largest(found), ASKED)

    def follow() -> None:
        if look() != at_work:
            st.rerun()
        done, count = done_and_all(search, found)
        words = [t("search.done", done=done, count=count)]
        told = {cell.spec: _told(run) for cell in found if (run := runs.get(cell.spec))}
        seconds = time_left(search, found, told) if at_work or idle else None
        if seconds is not None:
            words.append(t("search.left", seconds=duration(seconds)))
        st.progress(done / count, " · ".join(words))
        if idle and here and seconds is None:
            _how_long(search, found, measuring)

    st.fragment(follow, run_every=POLL_CURVES if at_work or measuring else None, key=f"search-{name}")()


def _failures(found: Sequence[Cell], runs: Runs) -> None:
    """Show how many trainings have failed, and why each has, with a link to its run."""
    told = failures(found, runs)
    if not told:
        return
    stage = next(iter(told)).stage
    count = sum(cell.stage == stage for cell in found)
    with st.container(border=True):
        st.error(t("search.failed", count=len(told), all=count))
        for cell, failure in told.items():
            run, option = runs[cell.spec], option_text(cell.option, language())
            label, icon = t("search.open", option=option, page=t("page.train")), ":material/arrow_forward:"
            st.markdown(f"**{literal(option)}:** {t(failure.error, **failure.slots)}")
            st.page_link(server.PAGES / "train.py", label=label, icon=icon, query_params={"run": run.name})


def _how_long(search: Search, found: Sequence[Cell], measuring: bool) -> None:
    """Show a button that has the largest training timed, and what that makes for all of them."""
    spec = largest(found)

    def say(asked: Mapping[str, Any]) -> str:
        count = len(found) + later(search, found)
        seconds = time_left(search, found, {}, asked["seconds"])
        assert seconds is not None
        return t("search.estimate", count=count, epochs=spec.epochs, seconds=duration(seconds))

    estimate.offer(spec, ASKED, say, lasting=measuring, key="search-estimate")


def _told(run: Run) -> Sequence[Event]:
    """The events of a run; of a trained run the last epoch alone."""
    return trained_epochs(run)[-1:] or server.events(run)


def _way(search: Search, found: Sequence[Cell]) -> None:
    """Show each stage of a search: the option that it has chosen, or how many of its trainings are done."""
    row = st.container(horizontal=True)
    for place, stage in enumerate(search.stages):
        here = [cell for cell in found if cell.stage == place]
        done = sum(cell.measured is not None for cell in here)
        best = winner(here)
        value, below = "–", t("search.of_stage", done=done, count=len(stage.options))
        if best and best.measured is not None:
            value, below = f"{option_text(best.option, language())} {BEST}", percent(best.measured, 2)
        row.metric(f"{place + 1}. {t(f'search.{stage.choice}')}", value, below, "off", delta_arrow="off", width=155)


def _outcome(name: str, found: Sequence[Cell], runs: Runs) -> None:
    """Show the test accuracy of the run that the search has chosen, whether others' is known, and what chance adds."""
    best = chosen(SEARCHES[name], found)
    report = runs[best.spec].report() if best else None
    if not best or not report:
        return
    option, accuracy = choices_text(path(name, found), language()), percent(report.accuracy, 2)
    words = t(
        "search.chosen", option=option, accuracy=accuracy, interval=interval(*report.accuracy_interval, 2), n=report.n
    )
    more = {runs[cell.spec] for cell in found if runs[cell.spec].report()} - {runs[best.spec]}
    st.success(words + (" " + t("search.more_tested", count=len(more)) if more else ""))
    tried = tuple(runs[spec] for spec in dict.fromkeys(cell.spec for cell in found if cell.measured is not None))
    if len(tried) > MANY:
        st.markdown(chance(tried))


def _table(name: str, found: Sequence[Cell], runs: Runs, *, is_own: bool) -> None:
    """Show every training beside the report's; a click on a row shows a link to its run."""
    stages = SEARCHES[name].stages
    best = [winner(cell for cell in found if cell.stage == place) for place in range(len(stages))]
    measured = {(cell.stage, cell.option): cell for cell in found}
    near = _near(found, runs)
    places = [(place, option) for place, stage in enumerate(stages) for option in stage.options]
    lines = []
    for place, option in places:
        cell, stage = measured.get((place, option)), stages[place]
        lines.append(
            (
                t(f"search.{stage.choice}"),
                option_text(option, language()),
                _reported(reported_of(name, stage.choice, option) if is_own else None),
                *_measured(cell, runs, BEST if cell in best else NEAR if cell in near else ""),
            )
        )
    columns = [t(f"search.{column}") for column in ("stage", "option", "reported", "measured", "kept", "tested")]
    shown = {column: [line[place] for line in lines] for place, column in enumerate(columns)}
    if len(stages) == 1:
        del shown[columns[0]]
    if not any(words for _, words in shown[columns[2]]):
        del shown[columns[2]]
    picked = st.dataframe(
        sortable(shown),
        hide_index=True,
        placeholder="–",
        height="content",
        width="stretch",
        key=f"search-table-{name}",
        on_select="rerun",
        selection_mode="single-row",
    )
    wide_table_hint("search")
    _open([places[row] for row in picked.get("selection", {}).get("rows", [])], found, runs)
    st.caption(t("search.table"))
    if len(stages) > 1:
        st.caption(t("search.path"))
    if not is_own and any(stage.reported for stage in stages):
        st.caption(t("search.other_data", data=data_name(SEARCHES[name].data)))
    if is_own and (again := repeats(name)):
        figures = [
            f"{choices_text(choices, language())}: {', '.join(percent(accuracy, 2) for accuracy in accuracies)}"
            for choices, accuracies in again
        ]
        st.caption(t("search.repeats", figures="; ".join(figures)))


def _reported(one: Reported | None) -> Said:
    if not one or not one.best:
        return None, ""
    return one.best.val_accuracy, _at(one.best.val_accuracy, one.best.epoch)


def _near(found: Sequence[Cell], runs: Runs) -> list[Cell]:
    """The cells that cannot be told from the best of their stage, of the stages that are measured."""
    near = []
    for place in range(found[-1].stage + 1):
        here = [cell for cell in found if cell.stage == place]
        if winner(here):
            n = runs[here[0].spec].started().counts["val"]
            told = decision([cell.measured or 0 for cell in here], [parameters(cell.spec) for cell in here], n)
            near += [here[one] for one in told.near]
    return near


def _measured(cell: Cell | None, runs: Runs, sign: str) -> tuple[Said, Said, Said]:
    """The best val accuracy of a training, that of the epoch whose weights are kept, and the test accuracy if read.

    `sign`: how the training compares with the best of its stage.
    """
    if cell is None or cell.measured is None:
        return (None, ""), (None, ""), (None, "")
    epochs, report = trained_epochs(runs[cell.spec]), runs[cell.spec].report()
    top = max(epochs, key=lambda event: event.val_accuracy)
    kept = next(event for event in epochs if event.epoch == (report or epochs[-1]).best_epoch)
    tested: Said = (report.accuracy, percent(report.accuracy, 2)) if report else (-1, t("search.unread"))
    return (
        (top.val_accuracy, f"{_at(top.val_accuracy, top.epoch)} {sign}".strip()),
        (kept.val_accuracy, _at(kept.val_accuracy, kept.epoch)),
        tested,
    )


def _at(accuracy: float, epoch: int | None) -> str:
    return percent(accuracy, 2) + (f" ({number(epoch)})" if epoch else "")


def _open(picked: Sequence[Place], found: Sequence[Cell], runs: Runs) -> None:
    """Show a link to the run of the training that the reader has clicked, or that there is none."""
    for place in picked[:1]:
        cell = next((cell for cell in found if (cell.stage, cell.option) == place), None)
        run = runs.get(cell.spec) if cell else None
        option = option_text(place[1], language())
        if not run:
            st.caption(t("search.no_run", option=option))
            continue
        page = "evaluate" if run.report() else "train"
        st.page_link(
            server.PAGES / f"{page}.py",
            label=t("search.open", option=option, page=t(f"page.{page}")),
            icon=":material/arrow_forward:",
            query_params={"run": run.name},
        )


def _is_grid(search: Search) -> bool:
    """Whether the options are pairs of filters and kernel size."""
    return isinstance(search.stages[0].options[0], tuple)


def _heat_maps(found: Sequence[Cell], runs: Runs) -> None:
    """Show the grid's accuracies, the report's and ours, with the best cell and the simplest that is as good marked."""
    left, right = st.columns(2, gap="large")
    reported = {cell: cell.reported for cell in found}
    if any(reported.values()):
        with left:
            _heat_map("reported", found, reported, VAL_IMAGES)
    with right if any(reported.values()) else left:
        measured = {cell: cell.measured for cell in found}
        first = next((run for cell in found if cell.measured is not None and (run := runs.get(cell.spec))), None)
        picked = _heat_map("measured", found, measured, first.started().counts["val"] if first else 0)
        _open(picked, found, runs)


def _heat_map(whose: str, found: Sequence[Cell], accuracies: Mapping[Cell, float | None], n: int) -> list[Place]:
    """Draw one heat map; returns the cell that the reader has clicked. `n` is the number of val images."""
    from core.charts import matrices  # altair and pandas are imported only for a chart

    st.markdown(f"**{t('measure.val_accuracy')}: {t(f'search.{whose}_short')}**")
    known = {cell: accuracy for cell, accuracy in accuracies.items() if accuracy is not None}
    if not known:
        st.caption(t("search.not_measured"))
        return []
    filters, kernels = (sorted({cell.option[side] for cell in found}) for side in (0, 1))
    values = np.full((len(filters), len(kernels)), np.nan)
    where = {cell: (filters.index(cell.option[0]), kernels.index(cell.option[1])) for cell in found}
    for cell, accuracy in known.items():
        values[where[cell]] = accuracy
    best, signs, words = max(known, key=known.__getitem__), {}, ""
    signs[where[best]] = BEST
    if len(known) == len(found):
        sizes = [parameters(cell.spec) for cell in found]
        told = decision([known[cell] for cell in found], sizes, n)
        signs = {where[found[place]]: NEAR for place in told.near} | signs
        rule, picked = told.simplest, found[told.simplest.place]
        signs[where[picked]] = signs.get(where[picked], "") + SIMPLEST
        words = t(
            "search.simplest",
            option=option_text(picked.option, language()),
            accuracy=percent(known[picked], 2),
            parameters=sizes[rule.place],
            best=option_text(best.option, language()),
            best_accuracy=percent(known[best], 2),
            best_parameters=parameters(best.spec),
            error=number(100 * rule.standard_error, 2),
            n=n,
        )
        key, slots = decision_sentence(told)
        words += f" {NEAR} {t(key, **slots)}"
    rows, columns = ([number(one) for one in side] for side in (filters, kernels))
    chart = matrices.heat_map(
        values,
        rows,
        columns,
        x_title=t("search.kernel"),
        y_title=t("search.filters"),
        language=language(),
        signs=signs,
        height=300,
    )
    shown = st.altair_chart(
        chart, width="stretch", alt=t("search.alt"), key=f"grid-{whose}", on_select="rerun", selection_mode="cell"
    )
    st.caption(words or t("search.best_cell"))
    cell = (shown.get("selection", {}).get("cell") or [{}])[0]
    if cell.get("row") in rows and cell.get("column") in columns:
        return [(0, (filters[rows.index(cell["row"])], kernels[columns.index(cell["column"])]))]
    return []


def _curves(name: str, found: Sequence[Cell], runs: Runs, *, is_own: bool) -> None:
    """Show the val curves of all options of a stage, of a grid those of one kernel size: the report's and ours."""
    stages = SEARCHES[name].stages
    place, options = 0, list(stages[0].options)
    if _is_grid(SEARCHES[name]):
        kernels = sorted({option[1] for option in options})
        kernel = st.segmented_control(
            t("search.kernel"),
            kernels,
            default=kernels[-1],
            required=True,
            key="search-kernel",
            persist_state="session",
        )
        options = [option for option in options if option[1] == kernel]
    elif len(stages) > 1:
        titles = {number: t(f"search.{stage.choice}") for number, stage in enumerate(stages)}
        place = row_of(t("search.stage"), titles, "search-stage", persist_state="session")
        options = list(stages[place].options)
    here = {cell.option: run for cell in found if cell.stage == place and (run := runs.get(cell.spec))}
    published = {option: reported_of(name, stages[place].choice, option) for option in options if is_own}

    def draw() -> None:
        measured = {option: _epochs(here[option]) for option in options if option in here}
        known = {option: one for option, one in published.items() if one}
        _charts(options, known, {option: epochs for option, epochs in measured.items() if epochs})

    lively = any(status_of(run) in LIVELY for run in here.values())
    st.fragment(draw, run_every=POLL_CURVES if lively else None, key="search-curves")()


def _epochs(run: Run) -> Sequence[Epoch]:
    return trained_epochs(run) or [event for event in server.events(run) if isinstance(event, Epoch)]


def _charts(
    options: Sequence[object], published: Mapping[object, Reported], measured: Mapping[object, Sequence[Epoch]]
) -> None:
    """Draw val accuracy and val loss, reported on the left and measured on the right, with the same vertical axis."""
    if not measured:
        st.caption(t("search.not_measured"))
    if not measured and not published:
        return
    from core.charts import curves  # altair and pandas are imported only for a chart

    # Of a grid the kernel size is chosen above, so that the number of filters tells the options apart.
    names = {
        option: number(option[0]) if isinstance(option, tuple) else option_text(option, language())
        for option in options
    }
    kinds = [kind for kind, there in (("reported", published), ("measured", measured)) if there]
    columns = dict(zip(kinds, st.columns(len(kinds), gap="large"), strict=True)) if published else {}
    for column, measure in zip(st.columns(2, gap="large") if not published else 2 * [None], MEASURES, strict=True):
        lines = {
            "reported": {names[option]: one.points(measure) for option, one in published.items()},
            "measured": {
                names[option]: [(event.epoch, getattr(event, measure)) for event in epochs]
                for option, epochs in measured.items()
            },
        }
        span = curves.span([value for kind in kinds for points in lines[kind].values() for _, value in points])
        for kind in kinds:
            chart = curves.lines(
                lines[kind],
                list(names.values()),
                x_title=t("chart.epoch"),
                y_title=f"{t(f'measure.{measure}')}: {t(f'search.{kind}_short')}",
                language=language(),
                y_domain=span,
            )
            alt = plain("search.curves_alt", measure=t(f"measure.{measure}"), options=", ".join(names.values()))
            (column or columns[kind]).altair_chart(chart, width="stretch", alt=alt, key=f"search-{kind}-{measure}")
    if published:
        st.caption(t("search.curves_help"))
