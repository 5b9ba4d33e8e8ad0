"""Two to ten chosen runs side by side: curves, what they cost and reach, what differs, and what chance explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.charts import runs as charts
from core.events import Epoch, Event, Started, Step
from core.measures.answers import Answers
from core.measures.compare import difference, is_same_images, level_among, sentence
from core.measures.repeats import Repeats, answers_like, compare_seeds, seeds_of
from core.measures.selection import MANY, lift, lift_sentence, simplest
from core.measures.summary import Listed, all_differing, front
from core.networks.layers import text as layers_text
from core.refusal import Refusal
from core.spec import CUSTOM, RunSpec, any_seed, is_used, share_splits, value_text
from core.store import Run
from ui import server
from ui.choice import data_name, network_name, row_of
from ui.columns import beside_or_below
from ui.runs.table import MOST_COMPARED, called, name_of
from ui.tables import folded_table
from ui.text import Markdown, duration, interval, language, literal, number, percent, plain, t

COSTS = ("parameters", "seconds")  # of a summary
WHATS = ("accuracy", "loss")


def panel(chosen: Sequence[Listed]) -> None:
    """Show the chosen runs side by side, the first ten of them; damaged ones are left out."""
    readable = [one for one in chosen if one.summary.spec][:MOST_COMPARED]
    if len(readable) < 2:
        return
    if len(chosen) > len(readable):
        st.caption(t("runs.most", count=len(readable)))
    names = {str(place): one for place, one in enumerate(readable, 1)}
    st.markdown(" · ".join(f"**{name}** {called(one)}" for name, one in names.items()))
    _words(names)
    _courses(names)
    _trade_offs(names)
    _differences(names)


# --- in words ---------------------------------------------------------------------------------------------------------


def _words(names: dict[str, Listed]) -> None:
    """Say which of the tested runs is better, over seeds where there are several, and what chance adds to the best."""
    tested = {name: one for name, one in names.items() if one.summary.accuracy is not None}
    if len(tested) < 2:
        st.info(t("runs.not_tested"))
        return
    for members in _by_spec(tested):
        if len(members) > 1:
            _seeds(members, tested)
    answers = {name: found for name, one in tested.items() if (found := _answers(one))}
    if not answers:
        return
    best = max(answers, key=lambda name: tested[name].summary.accuracy or 0)
    alike = {name: one for name, one in answers.items() if is_same_images(one, answers[best])}
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


def _by_spec(tested: dict[str, Listed]) -> list[list[str]]:
    """The names of the runs of each spec, one for each seed, see `seeds_of`."""
    groups: dict[RunSpec, dict[Run, str]] = {}
    for name, one in tested.items():
        if one.summary.spec and (run := server.find(one.summary.run)):
            groups.setdefault(any_seed(one.summary.spec), {})[run] = name
    found = []
    for spec, runs in groups.items():
        newest_first = sorted(runs, key=lambda run: run.name, reverse=True)
        found.append(sorted((runs[run] for run in seeds_of(spec, newest_first).values()), key=int))
    return found


def _said(key: str, slots: dict[str, Any]) -> str:
    """A sentence of the measures, whose slots are numbers as the reader's language writes them and numbers of runs."""
    return t(key, **{name: Markdown(value) if isinstance(value, str) else value for name, value in slots.items()})


def _answers(one: Listed) -> Answers | None:
    run = server.find(one.summary.run)
    try:
        return _test_answers(run) if run else None
    except Refusal:  # damaged
        return None


def _test_answers(run: Run) -> Answers | None:
    return server.answers(run, "test")


def _seeds(members: Sequence[str], tested: dict[str, Listed]) -> None:
    """Say mean, standard deviation and each point of runs that differ in the seed alone."""
    found = Repeats(tuple(tested[name].summary.accuracy or 0 for name in members))
    points = Markdown(", ".join(percent(accuracy, 2) for accuracy in found.accuracies))
    slots = {"mean": percent(found.mean, 2), "spread": number(100 * (found.spread or 0), 2), "points": points}
    st.markdown(t("runs.seeds", names=", ".join(members), count=len(members), **slots))


def _pair(name: str, best: str, tested: dict[str, Listed], answers: dict[str, Answers], told: set[RunSpec]) -> None:
    """Say whether the best run is better than another one, and over the seeds if both were trained with several."""
    level = level_among(len(answers))
    key, slots = sentence(difference(answers[name], answers[best], level), name, best, language())
    said = [_said(key, slots)]
    one, other = tested[name].summary.spec, tested[best].summary.spec
    if one and other and any_seed(one) != any_seed(other) and any_seed(one) not in told:
        told.add(any_seed(one))
        seeds = [seeds_of(spec, server.handles()) for spec in (one, other)]
        if min(map(len, seeds)) > 1:
            (a, left), (b, also_left) = (answers_like(answers[best], runs, _test_answers) for runs in seeds)
            if min(len(a), len(b)) > 1:
                over = compare_seeds(a, b, share_splits=share_splits(one, other), level=level)
                key, slots = sentence(over, name, best, language())
                said.append(t("runs.over_seeds", words=_said(key, slots)))
            if left_out := [run.name for run in (*left, *also_left)]:
                said.append(t("runs.left_out", names=", ".join(left_out)))
    st.markdown("- " + " ".join(said))


def _picked(best: str, tested: dict[str, Listed], answers: dict[str, Answers]) -> None:
    """Say what chance adds to the best of many, and which is the simplest within one standard error of it."""
    right = np.stack([one.is_right for one in answers.values()])
    key, slots = lift_sentence(lift(right), len(right), language())
    st.info(_said(key, slots))
    sizes = [tested[name].summary.parameters or 0 for name in answers]
    n = right.shape[1]
    rule = simplest(right.mean(axis=1).tolist(), sizes, n)
    name = list(answers)[rule.place]
    slots = {"name": name, "parameters": sizes[rule.place], "accuracy": percent(float(right[rule.place].mean()), 2)}
    slots |= {"best": best, "error": number(100 * rule.standard_error, 2), "n": n}
    st.markdown("- " + t("runs.simplest", **slots))


# --- curves -----------------------------------------------------------------------------------------------------------


def _courses(names: dict[str, Listed]) -> None:
    """Draw val and train of all runs in one chart, of the quantity that the reader chooses."""
    st.subheader(t("runs.courses"))
    what = row_of(t("runs.courses"), {one: t(f"chart.{one}") for one in WHATS}, "runs-what", persist_state="session")
    val, train = {}, {}
    for name, one in names.items():
        run = server.find(one.summary.run)
        events = server.events(run) if run else []
        val[name] = [(event.epoch, getattr(event, f"val_{what}")) for event in events if isinstance(event, Epoch)]
        train[name] = _of_train(events, what)
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


def _of_train(events: Sequence[Event], what: str) -> list[tuple[float, float]]:
    """The train curve at the steps that were told, in epochs; without steps, at the ends of the epochs."""
    started = next((event for event in events if isinstance(event, Started)), None)
    steps = [event for event in events if isinstance(event, Step)]
    if started and len(steps) > 1:
        return [(event.step / started.steps_per_epoch, getattr(event, what)) for event in steps]
    return [(event.epoch, getattr(event, f"train_{what}")) for event in events if isinstance(event, Epoch)]


# --- costs ------------------------------------------------------------------------------------------------------------


def _trade_offs(names: dict[str, Listed]) -> None:
    """Draw test accuracy against parameters and against seconds, with intervals and the Pareto front."""
    tested = {name: one for name, one in names.items() if one.summary.interval}
    if len(tested) < 2:
        return
    st.subheader(t("runs.trade_offs"))
    table: dict[str, list[str]] = {plain("runs.column.run"): [f"{name} {name_of(one)}" for name, one in tested.items()]}
    table[plain("runs.column.accuracy")] = [_accuracy(one) for one in tested.values()]
    with beside_or_below("runs-trade"):
        for column, cost in zip(st.columns(2, gap="large"), COSTS, strict=True):
            reached = [
                charts.Reached(name, f"{name} {name_of(one)}", value, one.summary.accuracy or 0, *one.summary.interval)
                for name, one in tested.items()
                if (value := getattr(one.summary, cost)) and one.summary.interval
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
    if len({one.summary.device for one in tested.values()}) > 1:
        st.caption(t("runs.devices"))


def _accuracy(one: Listed) -> str:
    assert one.summary.accuracy is not None
    assert one.summary.interval
    return f"{percent(one.summary.accuracy, 2)} ({interval(*one.summary.interval)}; n = {number(one.summary.n or 0)})"


# --- what differs -----------------------------------------------------------------------------------------------------


def _differences(names: dict[str, Listed]) -> None:
    """Show the fields in which the runs' specs differ, a column for each run."""
    specs = {name: one.summary.spec for name, one in names.items() if one.summary.spec}
    differ = all_differing(list(specs.values()))
    if all(spec.architecture != CUSTOM for spec in specs.values()):
        differ = [name for name in differ if name != "layers"]  # the architecture's name says it
    st.subheader(t("runs.differences"))
    if not differ:
        st.caption(t("hyper.same"))
        return
    cells = {plain("runs.column.run"): [f"**{name}** {called(names[name])}" for name in specs]}
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
