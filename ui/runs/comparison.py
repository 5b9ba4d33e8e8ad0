"""Two to ten chosen runs side by side: curves, what they cost and reach, what differs, and what chance explains."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from core.charts import runs as charts
from core.events import Epoch, Event, Started, Step
from core.measures.answers import Answers
from core.measures.compare import difference, is_same_images, level_among, sentence
from core.measures.groups import Group, by_setting, singles
from core.measures.repeats import SEEDS, answers_like, compare_seeds, seeds_of
from core.measures.selection import MANY, lift, lift_sentence, simplest
from core.measures.summary import Listed, all_differing, front
from core.networks.layers import text as layers_text
from core.refusal import Refusal
from core.spec import CUSTOM, RunSpec, any_seed, is_used, share_splits, value_text
from core.store import Run
from ui import server
from ui.choice import data_name, network_name, row_of
from ui.columns import beside_or_below
from ui.runs.table import MOST_COMPARED, called, line_name, name_of
from ui.tables import folded_table
from ui.text import Markdown, as_written, duration, interval, language, literal, number, percent, plain, t

COSTS = ("parameters", "seconds")  # of a summary
WHATS = ("accuracy", "loss")


def panel(chosen: Sequence[Group]) -> None:
    """Show the first ten of the chosen lines side by side, or the runs of a single one; damaged ones are left out.

    A line of several runs stands for all of them: it has their mean.
    """
    readable = [line for line in chosen if line.spec]
    is_one = len(readable) == 1  # whose runs are repetitions: none is to be called better, or cheaper, than another
    every = singles(readable[0].runs) if is_one else readable
    shown = every[:MOST_COMPARED]
    if len(shown) < 2:
        return
    if len(shown) < len(every if is_one else chosen):
        st.caption(t("runs.most", count=len(shown)))
    names = {str(place): line for place, line in enumerate(shown, 1)}
    st.markdown(" · ".join(f"**{name}** {literal(line_name(line))}" for name, line in names.items()))
    settings = {line_name(readable[0]): readable[0]} if is_one else _settings(names)
    for label, line in settings.items():
        if len(line.tested) > 1:
            _seeds(label, line)
    if not is_one:
        _words(names)
    _points(settings)
    _courses(names)
    if not is_one:
        _trade_offs(names)
        _differences(names)


# --- in words ---------------------------------------------------------------------------------------------------------


def _settings(names: Mapping[str, Group]) -> dict[str, Group]:
    """The tested runs of each setting by what the page calls them, the names of their lines, such as `2, 3`."""
    found = {}
    for line in by_setting([one for entry in names.values() for one in entry.runs]):
        counted = {one.summary.run for one in line.tested.values()}
        called = [name for name, entry in names.items() if counted & {one.summary.run for one in entry.runs}]
        if called:
            found[", ".join(called)] = line
    return found


def _words(names: Mapping[str, Group]) -> None:
    """Say which of the tested lines is better, over seeds where there are several, and what chance adds to the best."""
    tested = {name: line for name, line in names.items() if line.tested}
    if len(tested) < 2:
        _not_tested([one for line in names.values() for one in line.runs])
        return
    answers = {name: found for name, line in tested.items() if (found := _answers(line))}
    if not answers:
        return
    best = max(answers, key=lambda name: tested[name].values["accuracy"])
    like = next(iter(answers[best].values()))
    same = {
        name: {seed: one for seed, one in found.items() if is_same_images(one, like)} for name, found in answers.items()
    }
    alike = {name: found for name, found in same.items() if found}
    if len(alike) < len(tested):
        st.warning(t("runs.other_images", names=", ".join(name for name in tested if name not in alike)))
    if len(alike) > 2:
        st.caption(t("runs.pairs", count=len(alike), pairs=math.comb(len(alike), 2)))
    told: set[RunSpec] = set()  # the specs that have been compared with the best one's over the seeds
    for name in alike:
        if name != best:
            _pair(name, best, tested, alike, told)
    if len(alike) > MANY:
        _picked(best, tested, alike)


def _not_tested(runs: Sequence[Listed]) -> None:
    """Say what is lacking to call a run better; a search reads the test split for its best run alone."""
    studies = dict.fromkeys(one.label.study for one in runs if one.label.plan and one.summary.accuracy is None)
    if not studies:
        st.info(t("runs.not_tested"))
        return
    st.info(t("runs.not_tested_search"))
    with st.container(horizontal=True, key="runs-to-search"):
        for name in studies:
            link = {"label": t("runs.to_search", study=name), "query_params": {"study": name}}
            st.page_link(server.PAGES / "search.py", icon=":material/manage_search:", width="content", **link)


def _said(key: str, slots: dict[str, Any]) -> str:
    """A sentence of the measures, whose slots are numbers as the reader's language writes them and numbers of runs."""
    return t(key, **as_written(slots))


def _answers(line: Group) -> dict[int, Answers]:
    """The test answers of a line's tested runs by seed, without those of damaged ones."""
    found = {}
    for seed, one in line.tested.items():
        run = server.find(one.summary.run)
        with contextlib.suppress(Refusal):  # damaged
            if run and (answers := _test_answers(run)):
                found[seed] = answers
    return found


def _test_answers(run: Run) -> Answers | None:
    return server.answers(run, "test")


def _seeds(label: str, line: Group) -> None:
    """Say mean, standard deviation and each point of runs that differ in the seed alone."""
    found = line.repeats
    assert found
    points = Markdown(", ".join(percent(accuracy, 2) for accuracy in found.accuracies))
    slots = {"names": label, "count": len(found.accuracies), "mean": percent(found.mean, 2), "points": points}
    if found.spread is None:
        st.markdown(t("runs.seeds_few", most=SEEDS, **slots))
    else:
        st.markdown(t("runs.seeds", spread=number(100 * found.spread, 2), **slots))


def _pair(
    name: str,
    best: str,
    tested: Mapping[str, Group],
    answers: Mapping[str, Mapping[int, Answers]],
    told: set[RunSpec],
) -> None:
    """Say whether the best line is better than another one, and over the seeds if both were trained with several."""
    level = level_among(len(answers))
    one, other = tested[name].spec, tested[best].spec
    if one and other and min(len(answers[name]), len(answers[best])) > 1:
        over = compare_seeds(answers[name], answers[best], share_splits=share_splits(one, other), level=level)
        st.markdown(f"- {_said(*sentence(over, name, best, language()))}")
        return
    (single, first), (single_best, second) = (_newest(tested[of], answers[of]) for of in (name, best))
    said = [_said(*sentence(difference(first, second, level), name, best, language()))]
    for of, run in ((name, single), (best, single_best)):
        if len(tested[of].runs) > 1:
            said.append(t("runs.stands_for", name=of, run=Markdown(called(run))))
    if one and other and any_seed(one) != any_seed(other) and any_seed(one) not in told:
        told.add(any_seed(one))
        seeds = [seeds_of(spec, server.handles()) for spec in (one, other)]
        if min(map(len, seeds)) > 1:
            (a, left), (b, also_left) = (answers_like(second, runs, _test_answers) for runs in seeds)
            if min(len(a), len(b)) > 1:
                over = compare_seeds(a, b, share_splits=share_splits(one, other), level=level)
                key, slots = sentence(over, name, best, language())
                said.append(t("runs.over_seeds", words=_said(key, slots)))
            if left_out := [run.name for run in (*left, *also_left)]:
                said.append(t("runs.left_out", names=", ".join(left_out)))
    st.markdown("- " + " ".join(said))


def _newest(line: Group, answers: Mapping[int, Answers]) -> tuple[Listed, Answers]:
    """The newest of a line's runs that have answers, and these."""
    seed = max(answers, key=lambda seed: line.tested[seed].summary.run)
    return line.tested[seed], answers[seed]


def _picked(best: str, tested: Mapping[str, Group], answers: Mapping[str, Mapping[int, Answers]]) -> None:
    """Say what chance adds to the best of many, and which is the simplest within one standard error of it."""
    right = np.stack([np.mean([one.is_right for one in found.values()], axis=0) for found in answers.values()])
    found = lift(right)
    if any(len(seeds) > 1 for seeds in answers.values()):
        found = replace(found, kind="seeds_lift")
    key, slots = lift_sentence(found, len(right), language())
    st.info(_said(key, slots))
    sizes = [tested[name].values["parameters"] or 0 for name in answers]
    n = right.shape[1]
    rule = simplest(right.mean(axis=1).tolist(), sizes, n)
    name = list(answers)[rule.place]
    slots = {"name": name, "parameters": sizes[rule.place], "accuracy": percent(float(right[rule.place].mean()), 2)}
    slots |= {"best": best, "error": number(100 * rule.standard_error, 2), "n": n}
    st.markdown("- " + t("runs.simplest", **slots))


# --- seeds ------------------------------------------------------------------------------------------------------------


def _points(settings: Mapping[str, Group]) -> None:
    """Draw each run of each setting as a point beside their mean and its interval, where one has several seeds."""
    settings = {label: line for label, line in settings.items() if line.tested}
    if all(len(line.tested) < 2 for line in settings.values()):
        return
    st.subheader(t("runs.points"))
    drawn, table = [], {plain("runs.column.run"): [f"{label}: {line_name(line)}" for label, line in settings.items()]}
    for label, line in settings.items():
        assert line.repeats
        assert line.interval
        points = {
            f"{plain('recipes.seed', seed=seed)} · {name_of(one)}": one.summary.accuracy or 0
            for seed, one in line.tested.items()
        }
        drawn.append(charts.Repeated(label, points, line.repeats.mean, *line.interval))
    chart = charts.points(
        drawn,
        x_title=plain("runs.points_x"),
        y_title=plain("runs.column.accuracy"),
        mean_title=plain("runs.points_mean"),
        language=language(),
    )
    means = ", ".join(f"{one.name}: {percent(one.mean, 2)}" for one in drawn)
    alt = plain("runs.points_alt", means=means)
    st.altair_chart(chart, width="stretch", key="runs-points", alt=alt)
    table[plain("runs.points_mean")] = [f"{percent(one.mean, 2)} ({interval(one.low, one.high)})" for one in drawn]
    spreads = [line.repeats.spread if line.repeats else None for line in settings.values()]
    table[plain("runs.points_spread")] = ["–" if one is None else number(100 * one, 2) for one in spreads]
    table["n"] = [str(len(one.points)) for one in drawn]
    table[plain("runs.points_each")] = [", ".join(percent(a, 2) for a in one.points.values()) for one in drawn]
    folded_table(table)
    st.caption(t("runs.points_help", most=SEEDS))


# --- curves -----------------------------------------------------------------------------------------------------------


def _courses(names: Mapping[str, Group]) -> None:
    """Draw val and train of all lines in one chart, of the quantity that the reader chooses."""
    st.subheader(t("runs.courses"))
    what = row_of(t("runs.courses"), {one: t(f"chart.{one}") for one in WHATS}, "runs-what", persist_state="session")
    val, train = {}, {}
    for name, line in names.items():
        told = [server.events(run) for one in line.runs if (run := server.find(one.summary.run))]
        val[name] = charts.mean_course([_of_val(events, what) for events in told])
        train[name] = charts.mean_course([_of_train(events, what) for events in told])
    values = [value for line in val.values() for _, value in line]  # a train curve begins far away
    if not values:
        st.caption(t("runs.no_epochs"))
        return
    chart = charts.courses(
        val,
        train,
        x_title=plain("chart.epoch"),
        y_title=plain(f"chart.{what}"),
        names=(plain("chart.val"), plain("chart.train")),
        y_domain=charts.span_of(values, is_accuracy=what == "accuracy"),
        language=language(),
    )
    st.altair_chart(chart, width="stretch", key=f"runs-{what}", alt=plain("runs.courses_alt", count=len(names)))
    if any(len(line.runs) > 1 for line in names.values()):
        st.caption(t("runs.courses_mean"))


def _of_val(events: Sequence[Event], what: str) -> list[tuple[float, float]]:
    return [(event.epoch, getattr(event, f"val_{what}")) for event in events if isinstance(event, Epoch)]


def _of_train(events: Sequence[Event], what: str) -> list[tuple[float, float]]:
    """The train curve at the steps that were told, in epochs; without steps, at the ends of the epochs."""
    started = next((event for event in events if isinstance(event, Started)), None)
    steps = [event for event in events if isinstance(event, Step)]
    if started and len(steps) > 1:
        return [(event.step / started.steps_per_epoch, getattr(event, what)) for event in steps]
    return [(event.epoch, getattr(event, f"train_{what}")) for event in events if isinstance(event, Epoch)]


# --- costs ------------------------------------------------------------------------------------------------------------


def _trade_offs(names: Mapping[str, Group]) -> None:
    """Draw test accuracy against parameters and against seconds, with intervals and the Pareto front."""
    tested = {name: line for name, line in names.items() if line.interval}
    if len(tested) < 2:
        return
    st.subheader(t("runs.trade_offs"))
    called = {name: f"{name} {line_name(line)}" for name, line in tested.items()}
    table: dict[str, list[str]] = {plain("runs.column.run"): list(called.values())}
    table[plain("runs.column.accuracy")] = [_accuracy(line) for line in tested.values()]
    with beside_or_below("runs-trade"):
        for column, cost in zip(st.columns(2, gap="large"), COSTS, strict=True):
            reached = [
                charts.Reached(name, called[name], value, line.values["accuracy"], *line.interval)
                for name, line in tested.items()
                if (value := line.values[cost]) and line.interval
            ]
            if len(reached) < 2:
                continue
            on_front = front([one.cost for one in reached], [one.accuracy for one in reached])
            chart = charts.trade_off(
                reached,
                on_front,
                x_title=plain(f"runs.axis.{cost}"),
                y_title=plain("runs.column.accuracy"),
                front_title=plain("runs.front"),
                language=language(),
            )
            alt = plain("runs.trade_alt", names=", ".join(reached[place].run for place in on_front))
            column.altair_chart(chart, width="stretch", key=f"runs-{cost}", alt=alt)
            least = min(one.cost for one in reached)
            said = duration if cost == "seconds" else number
            cells = {one.run: f"{said(one.cost)} ({number(one.cost / least, 1)}×)" for one in reached}
            table[plain(f"runs.column.{cost}")] = [cells.get(name, "–") for name in tested]
    folded_table(table)
    st.caption(t("runs.front_help"))
    if len({one.summary.device for line in tested.values() for one in line.runs}) > 1:
        st.caption(t("runs.devices"))


def _accuracy(line: Group) -> str:
    assert line.interval
    images = line.newest.summary.n or next(iter(line.tested.values())).summary.n or 0
    return f"{percent(line.values['accuracy'], 2)} ({interval(*line.interval)}; n = {number(images)})"


# --- what differs -----------------------------------------------------------------------------------------------------


def _differences(names: Mapping[str, Group]) -> None:
    """Show the fields in which the lines' specs differ, a row for each line."""
    specs = {name: line.spec for name, line in names.items() if line.spec}
    differ = all_differing(list(specs.values()))
    if any(len(line.runs) > 1 for line in names.values()):
        differ = [name for name in differ if name != "seed"]  # a line has several
    if all(spec.architecture != CUSTOM for spec in specs.values()):
        differ = [name for name in differ if name != "layers"]  # the architecture's name says it
    st.subheader(t("runs.differences"))
    if not differ:
        st.caption(t("hyper.same"))
        return
    cells = {plain("runs.column.run"): [f"**{name}** {literal(line_name(names[name]))}" for name in specs]}
    cells |= {plain(f"spec.{field}.label"): [_value(spec, field) for spec in specs.values()] for field in differ}
    st.table(cells, hide_index=True)


def _value(spec: RunSpec, name: str) -> str:
    """A field's value as Markdown; "–" where the spec does not use the field."""
    if not is_used(name, spec):
        return "–"
    if name == "data":
        return literal(data_name(spec.data))
    if name == "architecture":
        return literal(network_name(spec.architecture, None))
    value = layers_text(spec.layers) if name == "layers" else getattr(spec, name)
    return literal(value_text(name, value, language()))
