"""What a search has found: the best and the simplest in words, heat map, slices, stages, curves, and the table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.charts import study as charts
from core.charts.study import Kind, Tried
from core.events import Epoch
from core.measures.selection import MANY, decision, decision_sentence
from core.refusal import Refusal
from core.search import trained_epochs
from core.search.importance import LEAST_RUNS
from core.search.study import Range
from core.search.trainings import Training, read_tests
from core.spec import is_number, value_text
from core.store import Run
from ui import server
from ui.columns import beside_or_below
from ui.runs import parallel
from ui.search.chance import chance
from ui.search.state import BEST, NEAR, POLL, PRUNED, SIMPLEST, Seen, name_of, see
from ui.status import status_of
from ui.tables import Said, sortable, unfolded, wide_table_hint
from ui.text import Markdown, duration, interval, language, literal, number, percent, plain, refused, t

MOST_PLACES = 12  # values of a field that a heat map has rows for
MOST_LINES = 100  # learning curves in one chart


def panel(seen: Seen) -> None:
    """Show all that is known of a search of which at least one training is done."""
    at_work = bool(seen.at_work())
    _words(seen)
    if seen.study.way == "staged":
        _stages(seen)
    else:
        _heat_map(seen)
        _slices(seen)
    _table(seen)
    # These take longer than the rest of the page, so they are made on demand.
    for name, show in (("courses", _courses), ("importance", _importance)):
        if name == "importance" and (len(seen.done) < LEAST_RUNS or len(seen.study.varied) < 2):
            continue
        folded = st.expander(f"**{t(f'study.{name}')}**", key=f"study-{name}-open", on_change="rerun")
        if folded.open:
            with folded:
                show(seen, at_work)


# --- in words ---------------------------------------------------------------------------------------------------------


def _words(seen: Seen) -> None:
    """Say which training is the best, which cannot be told from it, which is the simplest, and what chance adds."""
    best, found = seen.best, seen.decision
    report = best.run.report() if best.run else None
    if report:
        accuracy, ends = percent(report.accuracy, 2), interval(*report.accuracy_interval, 2)
        st.success(t("search.chosen", option=seen.words(best), accuracy=accuracy, interval=ends, n=report.n))
    lines = [t("study.best" if report else "study.best_so_far", option=seen.words(best), **_figures(seen, best))]
    if (count := read_tests(seen.study, seen.trainings, server.handles())) > 1:
        lines.append(t("study.tests_read", count=count))
    key, slots = decision_sentence(found)
    lines.append(t(key, **slots))
    if found.by is not None:
        error = number(100 * found.simplest.standard_error, 2)
        key = "study.simplest_is_best" if seen.simplest == best else "study.simplest"
        lines.append(t(key, option=seen.words(seen.simplest), error=error, n=seen.n, **_figures(seen, seen.simplest)))
    if len(seen.done) > MANY:
        lines.append(chance(tuple(one.run for one in seen.done if one.run)))
    st.markdown("\n".join(f"- {line}" for line in lines))


def _figures(seen: Seen, one: Training) -> dict[str, Any]:
    return {"accuracy": percent(one.accuracy or 0, 2), "parameters": seen.sizes[one.spec]}


def kinds() -> dict[Kind, str]:
    """The words of the kinds of trainings in the legends of charts."""
    return {kind: plain(f"study.kinds.{kind}") for kind in charts.KINDS}


# --- two fields at once -----------------------------------------------------------------------------------------------


def _distinct(seen: Seen, name: str, tried: Sequence[Training]) -> list[Any]:
    """The values of a field that are to be tried, of a range those that these trainings have; numbers by size."""
    varied = seen.study.varied[name]
    used = dict.fromkeys(seen.values(one)[name] for one in tried if name in seen.values(one))
    found = list(dict.fromkeys([*(varied if isinstance(varied, tuple) else ()), *used]))
    return sorted(found) if is_number(name) and None not in found else found


def _heat_map(seen: Seen) -> None:
    """Draw the best accuracy for each pair of values of two fields; a click on a cell shows a link to its run."""
    from core.charts import matrices  # altair and pandas are imported only for a chart

    names = [name for name in seen.study.varied if 2 <= len(_distinct(seen, name, seen.trainings)) <= MOST_PLACES]
    if len(names) < 2:
        return
    st.subheader(t("study.heat_map"))
    y_name, x_name = _pair(names)
    rows, columns = (_distinct(seen, name, seen.trainings) for name in (y_name, x_name))
    at: dict[tuple[int, int], Training] = {}
    for one in sorted(seen.tried, key=lambda one: one.state == "pruned"):  # these only where nothing else is
        values = seen.values(one)
        if x_name not in values or y_name not in values:
            continue
        place = rows.index(values[y_name]), columns.index(values[x_name])
        if place not in at or (at[place].state == one.state and (one.accuracy or 0) > (at[place].accuracy or 0)):
            at[place] = one
    if not at:
        return
    signs = _signs(seen, at)
    shown = np.full((len(rows), len(columns)), np.nan)
    for place, one in at.items():
        shown[place] = one.accuracy
    says = [[_value(name, value) for value in side] for name, side in ((y_name, rows), (x_name, columns))]
    chart = matrices.heat_map(
        shown,
        *says,
        x_title=plain(f"spec.{x_name}.label"),
        y_title=plain(f"spec.{y_name}.label"),
        language=language(),
        signs=signs,
        height=90 + 48 * len(rows),
    )
    alt = plain("study.heat_alt", x=t(f"spec.{x_name}.label"), y=t(f"spec.{y_name}.label"))
    picked = st.altair_chart(
        chart, width="stretch", alt=alt, key="study-heat", on_select="rerun", selection_mode="cell"
    )
    best_of = [t("study.heat_best_of")] if len(seen.study.varied) > 2 else []
    st.caption(" ".join([t("study.heat_help"), *best_of, t("study.signs")]))
    cell = (picked.get("selection", {}).get("cell") or [{}])[0]
    if cell.get("row") in says[0] and cell.get("column") in says[1]:
        clicked = at.get((says[0].index(cell["row"]), says[1].index(cell["column"])))
        if clicked:
            _open(seen, clicked)
    if folded := unfolded("study-heat"):
        table = {plain(f"spec.{y_name}.label"): says[0]}
        for column, title in enumerate(says[1]):
            table[title] = [_said_at(at, signs, (row, column)) for row in range(len(rows))]
        folded.dataframe(table, hide_index=True, width="stretch")


def _signs(seen: Seen, at: Mapping[tuple[int, int], Training]) -> dict[tuple[int, int], str]:
    """The signs of the cells: each is compared as one, so that the level is divided by the number of cells."""
    places = [place for place, one in at.items() if one.state == "done"]
    cells = [at[place] for place in places]
    pruned = dict.fromkeys(at.keys() - set(places), PRUNED)
    if not places:
        return pruned
    found = decision([one.accuracy or 0 for one in cells], [seen.sizes[one.spec] for one in cells], seen.n)
    signs = pruned | {places[place]: NEAR for place in found.near} | {places[found.best]: BEST}
    simplest = places[found.simplest.place]
    return signs | {simplest: signs.get(simplest, "") + SIMPLEST}


def _pair(names: Sequence[str]) -> tuple[str, str]:
    """Let the reader choose the two fields of the heat map, where there are more."""
    if len(names) == 2:
        return names[0], names[1]
    titles = {pair: " × ".join(t(f"spec.{name}.label") for name in pair) for pair in itertools.combinations(names, 2)}
    return st.selectbox(
        t("study.pair"), list(titles), format_func=titles.__getitem__, key="study-pair", persist_state="session"
    )


def _said_at(
    at: Mapping[tuple[int, int], Training], signs: Mapping[tuple[int, int], str], place: tuple[int, int]
) -> str:
    return f"{percent(at[place].accuracy or 0, 2)} {signs.get(place, '')}".strip() if place in at else "–"


def _value(name: str, value: Any) -> str:
    return plain(f"architecture.{value}") if name == "architecture" else value_text(name, value, language())


def _open(seen: Seen, one: Training) -> None:
    """Show a link to the run of a training, or that there is none."""
    option = literal(seen.words(one))
    if not one.run:
        st.caption(t("search.no_run", option=option))
        return
    page = "evaluate" if one.run.report() else "train"
    st.page_link(
        server.PAGES / f"{page}.py",
        label=t("search.open", option=option, page=t(f"page.{page}")),
        icon=":material/arrow_forward:",
        query_params={"run": one.run.name},
    )


# --- one field at a time ----------------------------------------------------------------------------------------------


def _slices(seen: Seen) -> None:
    """Draw, for each field that varies, what each of its values has reached."""
    names = [name for name in seen.study.varied if any(name in seen.values(one) for one in seen.tried)]
    st.subheader(t("study.slices"))
    st.caption(t("study.slices_help"))
    with beside_or_below("study-slices"):
        for pair in _pairs(names):
            for column, name in zip(st.columns(2, gap="large"), pair, strict=False):
                with column:
                    of = [one for one in seen.tried if name in seen.values(one)]
                    _slice(seen, name, [_tried(seen, one, name, seen.kind(one)) for one in of])


def _pairs(names: Sequence[Any]) -> list[Sequence[Any]]:
    return [names[place : place + 2] for place in range(0, len(names), 2)]


def _tried(seen: Seen, one: Training, name: str, kind: Kind) -> Tried:
    value = _place(name, seen.values(one)[name])
    return Tried(name_of(one), value, one.accuracy or 0.0, kind, seen.words(one))


def _place(name: str, value: Any) -> Any:
    """A field's value as an axis shows it: a number, or words."""
    return value if is_number(name) and value is not None else _value(name, value)


def _slice(seen: Seen, name: str, tried: Sequence[Tried]) -> None:
    title, there = plain(f"spec.{name}.label"), {one.value for one in tried}
    values = [said for value in _distinct(seen, name, seen.tried) if (said := _place(name, value)) in there]
    chart = charts.slices(
        tried,
        values,
        is_log=_is_log(seen, name, values),
        x_title=title,
        y_title=plain("measure.val_accuracy"),
        kinds=kinds(),
        language=language(),
    )
    alt = plain("study.slice_alt", field=title)
    st.altair_chart(chart, width="stretch", key=f"study-slice-{name}", alt=alt)
    if folded := unfolded(f"study-slice-{name}"):
        table = {
            plain("study.number"): [one.run for one in tried],
            title: [number(one.value) if isinstance(one.value, int | float) else one.value for one in tried],
            plain("measure.val_accuracy"): [percent(one.accuracy, 2) for one in tried],
            plain("study.kind_title"): [kinds()[one.kind] for one in tried],
        }
        folded.dataframe(table, hide_index=True, width="stretch")


def _is_log(seen: Seen, name: str, values: Sequence[Any]) -> bool:
    """Whether the axis of a field's values is logarithmic: where a range of them would be."""
    varied = seen.study.varied[name]
    if isinstance(varied, Range):
        return varied.is_log
    numbers = [value for value in values if isinstance(value, int | float)]
    return len(numbers) == len(values) and Range(min(numbers), max(numbers)).is_log


def _stages(seen: Seen) -> None:
    """Draw, for each stage, what each option has reached; its winner goes on to the next stage."""
    st.subheader(t("study.stages"))
    st.caption(t("study.stages_help"))
    with beside_or_below("study-stages"):
        for pair in _pairs(list(enumerate(seen.study.search().stages))):
            for column, (place, stage) in zip(st.columns(2, gap="large"), pair, strict=False):
                with column:
                    _stage(seen, place, stage.choice, len(stage.options))


def _stage(seen: Seen, place: int, name: str, count: int) -> None:
    here = [one for one in seen.tried if place in one.stages]
    done = [one for one in here if one.state == "done"]
    st.markdown(f"**{place + 1}. {t(f'spec.{name}.label')}** {t('search.of_stage', done=len(here), count=count)}")
    if not done:
        return
    found = decision([one.accuracy or 0.0 for one in done], [seen.sizes[one.spec] for one in done], seen.n)
    kind: dict[int, Kind] = dict.fromkeys(found.near, "near")
    kind[found.best] = "best"
    compared = [_tried(seen, one, name, kind.get(place, "behind")) for place, one in enumerate(done)]
    pruned = [_tried(seen, one, name, "pruned") for one in here if one.state == "pruned"]
    _slice(seen, name, compared + pruned)
    key, slots = decision_sentence(found)
    st.caption(t(key, **slots))


# --- all trainings ----------------------------------------------------------------------------------------------------


def _courses(seen: Seen, at_work: bool) -> None:
    """Draw the learning curves of all trainings, again and again while some are at work."""

    def draw() -> None:
        _draw_courses(see(seen.study) if at_work else seen)

    st.fragment(draw, run_every=POLL if at_work else None, key="study-courses-drawn")()


def _draw_courses(seen: Seen) -> None:
    """Draw the learning curves of all trainings that have an epoch, of very many those of the best."""
    begun = [(one, epochs) for one in seen.trainings if one.run and (epochs := _epochs(one.run))]
    begun.sort(key=lambda pair: -max(event.val_accuracy for event in pair[1]))
    lines = [
        charts.Course(
            name_of(one), seen.kind(one), seen.words(one), [(event.epoch, event.val_accuracy) for event in epochs]
        )
        for one, epochs in begun[:MOST_LINES]
    ]
    chart = charts.courses(
        lines,
        x_title=plain("chart.epoch"),
        y_title=plain("measure.val_accuracy"),
        kinds=kinds(),
        language=language(),
    )
    alt = plain("study.courses_alt", count=len(lines))
    st.altair_chart(chart, width="stretch", key="study-courses", alt=alt)
    most = [t("study.courses_most", count=MOST_LINES)] if len(begun) > len(lines) else []
    st.caption(" ".join([t("study.courses_help"), *most]))
    if folded := unfolded("study-courses"):
        epochs = sorted({x for line in lines for x, _ in line.points})
        table = {plain("chart.epoch"): [number(x) for x in epochs]}
        for line in lines:
            of = dict(line.points)
            table[line.run] = [percent(of[x], 2) if x in of else "–" for x in epochs]
        folded.dataframe(table, hide_index=True, width="stretch")


def _epochs(run: Run) -> Sequence[Epoch]:
    return trained_epochs(run) or [event for event in server.events(run) if isinstance(event, Epoch)]


def _importance(seen: Seen, at_work: bool) -> None:
    """Draw how much of the differences each field explains."""
    del at_work  # the page is drawn again whenever a run ends
    try:
        found = server.importance_of(seen.study, seen.trainings)
    except Refusal as refusal:
        refused(refusal, st.caption)
        return
    shares = {plain(f"spec.{name}.label"): share for name, share in found.shares.items()}
    x_title, y_title = plain("study.share"), plain("study.field")
    chart = charts.importance(shares, x_title=x_title, y_title=y_title, language=language())
    alt = plain("study.importance_alt", fields=", ".join(shares))
    st.altair_chart(chart, width="stretch", key="study-importance", alt=alt)
    said = [t("study.importance_help", count=found.n)]
    if found.left_out:
        said.append(t("study.importance_pruned", count=found.left_out))
    if found.sometimes:
        fields = ", ".join(t(f"spec.{name}.label") for name in found.sometimes)
        said.append(t("study.importance_sometimes", fields=Markdown(fields)))
    st.caption(" ".join(said))
    if folded := unfolded("study-importance"):
        table = {y_title: list(shares), x_title: [percent(share, 1) for share in shares.values()]}
        folded.dataframe(table, hide_index=True, width="stretch")


def _table(seen: Seen) -> None:
    """Show all trainings in a table that sorts, with what each costs; ranges of values leave some out."""
    st.subheader(t("study.table"))

    def axes() -> dict[str, list[tuple[Any, str]]]:
        of = {plain(f"spec.{name}.label"): [_of(seen, one, name) for one in seen.done] for name in seen.study.varied}
        return of | {
            plain("measure.val_accuracy"): [(one.accuracy, percent(one.accuracy or 0, 2)) for one in seen.done]
        }

    within = parallel.panel("study", [name_of(one) for one in seen.done], axes, seen.study.name)
    shown = [one for one in seen.trainings if within is None or name_of(one) in within]
    columns: dict[str, list[str | Said]] = {plain("study.number"): [(one.number, name_of(one)) for one in shown]}
    for name in seen.study.varied:
        pairs = [_of(seen, one, name) for one in shown]
        columns[plain(f"spec.{name}.label")] = [pair if is_number(name) else pair[1] for pair in pairs]
    columns |= {
        plain("measure.val_accuracy"): [_accuracy(seen, one) for one in shown],
        plain("runs.column.epochs_done"): [_or_none(one.epochs, number) for one in shown],
        plain("runs.column.seconds"): [_or_none(one.seconds, duration) for one in shown],
        plain("runs.column.parameters"): [(size := seen.sizes[one.spec], number(size)) for one in shown],
        plain("runs.column.status"): [plain(f"status.{status_of(one.run)}") if one.run else "" for one in shown],
        plain("search.tested"): [_tested(one) for one in shown],
    }
    picked = st.dataframe(
        sortable(columns),
        hide_index=True,
        placeholder="–",
        height=min(420, 38 + 35 * max(1, len(shown))),
        width="stretch",
        key=f"study-table-{seen.study.name}-{len(shown)}",
        on_select="rerun",
        selection_mode="single-row",
        alt=t("study.table_alt"),
    )
    wide_table_hint("study")
    for row in picked.get("selection", {}).get("rows", [])[:1]:
        _open(seen, shown[row])
    st.caption(t("study.table_help") + " " + t("study.signs"))


def _or_none(value: float, say: Callable[[float], str]) -> Said:
    """A cost and its words; none of what has not begun."""
    return (value, say(value)) if value else (None, "")


def _accuracy(seen: Seen, one: Training) -> Said:
    if one.accuracy is None:
        return None, ""
    return one.accuracy, f"{percent(one.accuracy, 2)} {seen.sign(one)}".strip()


def _tested(one: Training) -> Said:
    report = one.run.report() if one.run else None
    return (report.accuracy, percent(report.accuracy, 2)) if report else (None, "")


def _of(seen: Seen, one: Training, name: str) -> tuple[Any, str]:
    """The value that a training has of a field, and its words; None where it does not use the field."""
    values = seen.values(one)
    return (values[name], _value(name, values[name])) if name in values else (None, "–")
