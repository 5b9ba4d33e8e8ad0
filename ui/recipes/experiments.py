"""The published experiments: the figures reported and measured here, and the buttons that run them."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.datasets import dataset
from core.events import Epoch, TestUse
from core.measures.repeats import SEEDS
from core.measures.verdict import Verdict, Word, mean_difference
from core.recipes import PUBLISHED, RECIPES, Variant
from core.recipes.compared import trainings_of
from core.recipes.figures import accuracy_text, figure_text, lines, mean_text, reached_text, reported_text
from core.recipes.reported import REPORTS, Reported, Source, first_epoch_at
from core.recipes.results import Result, Row, epochs_to, ready_spec
from core.refusal import Refusal
from core.spec import RunSpec
from core.store import Run, Status
from ui import form, notices, server
from ui.choice import data_name, linked, linked_row, run_label
from ui.columns import beside_or_below
from ui.data_card import data_are_here
from ui.status import ICONS, LIVELY, POLL_CURVES, REFUSED, note_click, start, status_of
from ui.tables import Said, sortable, wide_table_hint
from ui.text import Markdown, language, literal, number, percent, show_refusal, signed_points, t

CHOSEN = "recipes.chosen"  # key in the session state: the chosen recipe, kept when the page changes
LINK = ("report", "recipe")  # what of this view stands in the page's link
REPORT, ALL = "report", "all"  # key of the chosen report, in the session state and in the link; all reports
SIGN = "⚠"  # beside a figure that is not what it seems; the reason stands beside it or below
WIDTHS = {"recipe": 105, "reported": 160, "measured": 160, "verdict": 220, "data": 110, "warning": 150}  # px
LISTED = 6  # runs of a recipe that are listed
SHOWN = 8  # characters of a sha256 that are shown; the page Evaluate shows all
SIGNS: dict[Word, tuple[str, str]] = {
    "reproduced": ("✓", "green"),
    "better": ("▲", "blue"),
    "worse": ("▼", "orange"),
    "impossible": ("✗", "red"),
    "not_comparable": ("≠", "gray"),
    "not_measured": ("–", "gray"),
    "not_reported": ("–", "gray"),
}


def reports(rows: Sequence[Row]) -> tuple[str, Sequence[Row]]:
    """Let the reader choose a report, or all, and say what it is about; returns the choice, and those of `rows` in it.

    At first it is the link's, or that of the recipe that the link names.
    """
    recipe = st.query_params.get("recipe") or st.session_state.get(CHOSEN)
    if recipe in PUBLISHED and "report" not in st.query_params and REPORT not in st.session_state:
        st.session_state[REPORT] = recipe[:3]
    say = {name: t("report.name", name=name) for name in REPORTS} | {ALL: t("report.all")}
    report = linked_row(t("report.label"), say, REPORT)
    if report != ALL:
        st.markdown(t(f"report.{report}"))
    return report, [row for row in rows if report in (ALL, RECIPES[row.recipe].report)]


def table(rows: Sequence[Row], report: str = ALL) -> str:
    """Show these published recipes with reported and measured accuracy; returns the name of the chosen one.

    The table is as high as its rows, so that nothing in it has to be scrolled; `report` tells it from others.
    """
    rows = [row for row in rows if row.is_own]
    names = [row.recipe for row in rows]
    asked = linked("recipe", PUBLISHED) or st.session_state.get(CHOSEN)
    start = names.index(asked) if asked in names else 0
    columns: dict[str, Sequence[str | Said]] = {
        t("recipes.recipe"): names,
        t("recipes.network"): [t(f"recipe.{name}.title") for name in names],
        t("recipes.reported"): [
            (RECIPES[name].figures.get("accuracy"), reported_text(name, "accuracy", language())) for name in names
        ],
        t("recipes.measured"): [(row.verdict.measured, mean_text(row, language())) for row in rows],
        t("recipes.verdict"): [_word(row.verdict) for row in rows],
        t("recipes.data"): [data_name(row.data) for row in rows],
    }
    if any(warned := [_warning(row) for row in rows]):
        columns[t("recipes.warning")] = warned
    chosen = st.dataframe(
        sortable(columns),
        # Without a width, a column fits the bare number.
        column_config={t(f"recipes.{name}"): st.column_config.Column(width=width) for name, width in WIDTHS.items()},
        height="content",
        hide_index=True,
        placeholder="",
        width="stretch",
        key=f"recipes-table-{report}",
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [start]}},
        alt=t("recipes.alt"),
    )
    wide_table_hint("recipes")
    places = chosen.get("selection", {}).get("rows") or [start]
    name = names[places[0]] if places[0] < len(names) else names[start]
    st.session_state[CHOSEN] = st.query_params["recipe"] = name
    return name


def _warning(row: Row) -> str:
    """In a few words why the figures of a row are not what they seem; "" if they are."""
    key = RECIPES[row.recipe].warning
    selected = row.results and row.results[0].test_use == "selected"
    return f"{SIGN} {t(key or 'warning.selected')}" if key or selected else ""


def panel(name: str, variant: Variant, rows: Sequence[Row]) -> None:
    """Show one recipe: a button that runs it, its runs, its figures with their errata, and its assumptions.

    `rows` are those of all variants, which are compared.
    """
    of_variant = [row for row in rows if row.variant == variant]
    row = next(row for row in of_variant if row.recipe == name and row.is_own)
    one = RECIPES[name]
    with beside_or_below("recipe"):
        left, right = st.columns([3, 7], gap="large")
    with left:
        st.markdown(f"#### {name} · {t(f'recipe.{name}.title')}")
        _offer(row, of_variant)
        st.markdown(t(f"recipe.{name}.help"))
    with right:
        _figures(row)
        _optimism(name, rows)
        known = {**one.figures, **one.computed}
        for figure, key in one.errata:
            whose = f"**{t(f'figure.{figure}')} {figure_text(figure, known[figure], language())}:** " if figure else ""
            st.markdown(f"{SIGN} {whose}{t(key)}")
        for key in one.notes:
            st.markdown(t(key))
        notices.test_use_notice(one.spec(variant))
    st.caption(t("recipes.legend", most=SEEDS))
    if one.sources:
        st.caption(f"{t('recipes.sources')} {places(one.sources)}. {t('recipes.origins')}")
    if one.assumed:
        values = (_assumed(one.spec(), field, key) for field, key in one.assumed.items())
        st.caption(t("recipes.assumed", values="; ".join(values)))
    for other in of_variant:
        if other.recipe == name and not other.is_own:
            n = other.results[0].n
            st.caption(
                t("recipes.on_other_data", data=data_name(other.data), n=n, measured=accuracy_text(other, language()))
            )
    for words in dict.fromkeys(map(_measured_on, row.results)):  # once for all with the same machine and versions
        st.caption(words)


def figures_of(row: Row) -> None:
    """Show the verdict on a row, and each of its report's figures beside the measured one."""
    _figures(row)
    if RECIPES[row.recipe].errata:
        st.caption(t("recipes.see_errata", sign=SIGN))
        link = {"recipe": row.recipe, "variant": row.variant}
        st.page_link(server.PAGES / "recipes.py", label=t("recipes.to_recipe", name=row.recipe), query_params=link)


def epochs_table(rows: Sequence[Row]) -> None:
    """Show when each training first reached an accuracy, and its first, best and last one, reported and measured."""
    with st.expander(t("recipes.epochs_to")):
        chosen = st.number_input(
            t("recipes.target"), 0.01, 100.0, 98.0, 0.5, format="%.2f", key="recipes-target", persist_state="session"
        )
        target = round(chosen / 100, 6)  # the nearest number to the decimal that was written, as an accuracy is
        lines = [line for row in rows for line in _epochs(row, target)]
        names = (t("recipes.recipe"), "", t("recipes.first"))
        names += (t("recipes.reached", target=percent(target, 2)), t("recipes.best"), t("recipes.last"))
        cells = {name: [line[place] for line in lines] for place, name in enumerate(names)}
        widths = {"": st.column_config.Column(width=220)}
        shown = {"column_config": widths, "hide_index": True, "width": "stretch", "height": "content"}
        st.dataframe(sortable(cells), placeholder="–", **shown)
        wide_table_hint("epochs")
        if any(SIGN in best for *_, (_, best), _ in lines):
            st.caption(t("recipes.best_on_test"))


def _epochs(row: Row, target: float) -> list[tuple[str | Said, ...]]:
    """A line for each published training, and one for each seed."""
    lines: list[tuple[str | Said, ...]] = []
    ends = ("first_accuracy", "last_accuracy")
    for training in trainings_of(row.recipe) if row.is_own else ():
        kind = training.name.removeprefix(row.recipe).removeprefix("-")
        words = t("recipes.in_report") + (f" ({t(f'beside.training.{kind}').lower()})" if kind else "")
        lines.append((row.recipe, words, *_reported_epochs(row.recipe, training, target)))
    for one in row.results:
        first, last = ((one.figure(name), figure_text(name, one.figure(name), language())) for name in ends)
        top = max(one.val_accuracy)
        reached = (epochs_to(target, one.val_accuracy) or math.inf, reached_text(one, target, language()))
        best = _best(top, one.val_accuracy.index(top) + 1, one.test_use)
        seed = t("recipes.seed", seed=one.seed) + ("" if row.is_own else f", {data_name(row.data)}")
        lines.append((row.recipe, seed, first, reached, best, last))
    return lines


def _reported_epochs(recipe: str, training: Reported, target: float) -> tuple[Said, ...]:
    """First, reached, best and last val accuracy of a published training; dashes without a curve."""
    points = training.points("val_accuracy")
    if not points:
        return ((None, "–"),) * 4
    (_, first), (_, last) = points[0], points[-1]
    epoch, best = max(points, key=lambda point: point[1])
    reached = first_epoch_at(target, points)
    known = (reached, number(reached)) if reached else (math.inf, t("recipes.not_reached", best=percent(best, 2)))
    found = _best(best, int(epoch), RECIPES[recipe].spec().test_use)
    return (first, percent(first, 2)), known, found, (last, percent(last, 2))


def _best(accuracy: float, epoch: int, test_use: TestUse) -> Said:
    """The best epoch's accuracy; marked if it is the best of several evaluations on the test images."""
    words = t("recipes.at_epoch", accuracy=percent(accuracy, 2), epoch=epoch)
    return accuracy, words if test_use == "once" else f"{words} {SIGN}"


def _figures(row: Row) -> None:
    """Show the verdict, and each of the report's figures beside the measured one, with where it comes from."""
    sign, colour = SIGNS[row.verdict.word]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(f"{sign} {t(f'verdict.{row.verdict.word}')}", color=colour)  # pyright: ignore[reportArgumentType]
        if row.verdict.tolerance is not None:
            st.caption(t("recipes.tolerance", tolerance=number(100 * row.verdict.tolerance, 2), most=SEEDS))
        if row.verdict.is_open:
            st.caption(t("recipes.open", most=SEEDS))
        if row.verdict.word == "not_comparable":
            st.caption(t("beside.short" if row.variant == "short" else "recipes.other_data"))
    found = lines(row, language())
    cells = {
        t("recipes.figure"): [t(line.figure) for line in found],
        t("recipes.reported"): [line.reported + (f" {SIGN}" if line.doubted else "") for line in found],
        t("recipes.measured"): [line.measured for line in found],
        t("recipes.source"): [t(line.origin) if line.origin else "–" for line in found],
    }
    st.table(cells, hide_index=True)  # wraps long text, unlike `st.dataframe`


def _offer(row: Row, rows: Sequence[Row]) -> None:
    """Show a button that runs the recipe, and its runs; those of another recipe, if it needs that one's run first."""
    try:
        spec = ready_spec(row.recipe, row.variant, server.handles())
    except Refusal:
        needed = RECIPES[row.recipe].weights_from
        st.info(t("recipes.needs", name=row.recipe, needed=needed))
        _offer(next(other for other in rows if other.recipe == needed and other.is_own), rows)
        return
    if spec.taken:
        st.caption(t("recipes.taken", count=spec.taken, run=run_label(spec.weights_from)))
    _buttons(spec, row, here=data_are_here(dataset(row.data)))
    _runs(row.recipe, row.variant)


def _buttons(spec: RunSpec, row: Row, *, here: bool) -> None:
    used = {one.seed for one in row.results} | {run.spec.seed for run in server.repeating(row.recipe, row.variant)}
    seed = next(seed for seed in itertools.count(spec.seed) if seed not in used)
    button: dict[str, Any] = {
        "type": "primary",
        "icon": ":material/play_arrow:",
        "key": "recipes-run",
        "width": "stretch",
    }
    words = t("recipes.run", name=row.recipe, seed=seed)
    if st.button(words, **button, disabled=not here, on_click=note_click) and here:
        start(spec.model_copy(update={"seed": seed}))
        st.rerun()
    form.to_train(spec)
    show_refusal(REFUSED)


def _runs(name: str, variant: Variant) -> None:
    """Show a recipe variant's newest runs, live while one is at work; reruns the page when one begins or ends."""

    def look() -> dict[Run, Status]:
        found = {}
        for run in server.repeating(name, variant)[:LISTED]:
            with contextlib.suppress(Refusal):  # damaged, which the page Train reports
                found[run] = status_of(run)
        return found

    def lively(found: dict[Run, Status]) -> list[Run]:
        return [run for run, status in found.items() if status in LIVELY]

    before = lively(look())

    def show() -> None:
        now = look()
        if lively(now) != before:
            st.rerun()
        if now:
            st.markdown(f"**{t('recipes.runs')}**")
        for run, status in now.items():
            _run(run, status)

    st.fragment(show, run_every=POLL_CURVES if before else None, key="recipe-runs")()


def _run(run: Run, status: Status) -> None:
    report = run.report()
    icon, colour = ICONS[status]
    epochs = [event for event in server.events(run) if isinstance(event, Epoch)]
    words = [t("recipes.seed", seed=run.spec.seed)]
    if report:
        words.append(percent(report.accuracy, 2))
    elif epochs:
        words.append(t("train.epoch_of", epoch=epochs[-1].epoch, epochs=run.spec.epochs))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(t(f"status.{status}"), icon=icon, color=colour)  # pyright: ignore[reportArgumentType]
        st.markdown(" · ".join(words), width="content")
        page, label = ("evaluate", "recipes.see") if report else ("train", "recipes.watch")
        icon = ":material/arrow_forward:"
        st.page_link(server.PAGES / f"{page}.py", label=t(label), icon=icon, query_params={"run": run.name})
    if report and report.frozen_unchanged is not None:
        said = "recipes.unchanged" if report.frozen_unchanged else "recipes.changed"
        st.caption(t(said, before=report.frozen_before[:SHOWN], after=report.frozen_after[:SHOWN]))


def _measured_on(one: Result) -> str:
    versions = ", ".join(f"{package} {version}" for package, version in one.versions.items())
    return t("recipes.on", machine=one.machine, versions=versions, date=one.date)


def places(sources: Sequence[Source]) -> str:
    """Each report and each public notebook once, with the lines or cells in which it states something."""
    lines: dict[str, list[str]] = {}
    cells: dict[str, list[int]] = {}
    for one in sources:
        if one.report:  # two lines are the ends of a passage
            own = ["–".join(map(str, one.lines))] if len(one.lines) == 2 else map(str, sorted(one.lines))
            lines.setdefault(one.report, []).extend(own)
        else:
            file = literal((one.file or "").rpartition("/")[2])
            cells.setdefault(f"[{file}]({one.address})", []).extend(one.cells)
    said = [t("recipes.in_lines", report=name, lines=", ".join(own)) for name, own in lines.items()]
    for link, own in cells.items():
        said.append(f"{link}, {t('recipes.in_cells', cells=', '.join(map(str, sorted(own))))}")
    return Markdown("; ".join(said))


def _optimism(name: str, rows: Sequence[Row]) -> None:
    """Say by how much the report's own protocol differs from the honest one, and whether by more than chance."""
    own = {row.variant: row for row in rows if row.recipe == name and row.is_own and row.results}
    if not {"faithful", "honest"} <= own.keys():
        return
    faithful, honest = own["faithful"], own["honest"]
    of_honest, of_faithful = ([one.accuracy for one in row.results] for row in (honest, faithful))
    delta, half = mean_difference(of_honest, of_faithful, faithful.results[0].n)
    slots = {
        "faithful": accuracy_text(faithful, language()),
        "honest": accuracy_text(honest, language()),
        "half": number(100 * half, 2),
    }
    slots["delta"] = signed_points(delta)
    said = t("recipes.optimism", **slots)
    chance = t("recipes.by_chance" if abs(delta) <= half else "recipes.beyond_chance")
    selected = faithful.results[0].test_use == "selected"
    st.markdown(f"{said} {chance}" + (f" {t('recipes.selected')}" if selected else ""))


def _word(verdict: Verdict) -> str:
    """The verdict in a word and, if it was judged by it, the difference and the tolerance in percentage points."""
    words = f"{SIGNS[verdict.word][0]} {t(f'verdict.{verdict.word}')}"
    if verdict.delta is not None and verdict.tolerance is not None:
        words += f" ({signed_points(verdict.delta)} ± {number(100 * verdict.tolerance, 2)})"
    return words + (" (?)" if verdict.is_open else "")


def _assumed(spec: RunSpec, field: str, why: str) -> str:
    value = getattr(spec, field)
    said = t(f"option.{value}") if isinstance(value, str) else number(value)
    return f"{t(f'spec.{field}.label')}: {said} ({t(why)})"
