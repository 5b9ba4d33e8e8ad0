"""The form for a new search: what stays the same, which fields vary and how, and what it will cost before it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core import settings
from core.datasets import dataset
from core.networks.architectures import ARCHITECTURES
from core.refusal import Refusal
from core.search import Search, cells
from core.search.offer import first_values, options, read_list, variable
from core.search.study import MOST_MINUTES, MOST_RUNS, VARIANT, WAYS, Range, Study, Varied, Way, named
from core.search.trainings import cost, largest
from core.spec import CUSTOM, RunSpec, allowed, checked, is_number, read_field, value_text, write_number
from core.training.ready import check
from core.training.transfer import fits
from ui import estimate, form, server
from ui.choice import row_of
from ui.columns import beside_or_below
from ui.data_card import data_are_here
from ui.search.state import KEY
from ui.status import POLL_CURVES
from ui.text import duration, kept_refusal, language, refused, show_refusal, t

FIELDS = "study-fields"  # keys in the session state
WAY = "study-way"
RUNS = 20  # at first, of the ways that have no end of their own
WRITTEN = "study.written"  # in the session state: the values of each field as they were last read
REFUSED = "study.refused"
ASKED = "study.asked"  # the training whose time was asked for
FIRST: Sequence[str] = ("learning_rate", "batch_size")  # that vary at first


def panel() -> None:
    """Show the form; its left half is the one of the page Train, so both pages share the values."""
    with beside_or_below("study-form"):
        left, right = st.columns([1, 2], gap="large")
    with left:
        st.subheader(t("study.same"))
        st.caption(t("study.same_help"))
        values = form.first_fields()
        values = form.other_fields(values, snapshots=False)
        form.write_link(values)
        form.link_refused()
    with right:
        st.subheader(t("study.vary"))
        try:
            base = checked(values)
            source = dataset(base.data)
        except Refusal as refusal:
            refused(refusal)
            return
        varied, refusals = {}, []
        for name in _fields(values):
            try:
                varied[name] = _varied(name, getattr(base, name))
            except Refusal as refusal:
                refusals.append(refusal)
        try:
            study = _way(base, varied)
            here = data_are_here(source, key="study-fetch")
            if not refusals:
                _plan(study, can_start=here)
        except Refusal as refusal:
            refusals.append(refusal)
        for refusal in refusals:
            refused(refusal)
        show_refusal(REFUSED)


# --- what varies ------------------------------------------------------------------------------------------------------


def _fields(values: Mapping[str, Any]) -> list[str]:
    """Let the reader choose the fields that vary, in the order of the stages."""
    before = st.session_state.get(FIELDS, FIRST)
    offered = {name: t(f"spec.{name}.label") for name in variable(values, before)}
    st.session_state[FIELDS] = [name for name in before if name in offered]
    return st.multiselect(
        t("study.fields"),
        list(offered),
        key=FIELDS,
        format_func=offered.__getitem__,
        placeholder=t("study.fields_none"),
        help=t("study.fields_help"),
        persist_state="session",
    )


def _varied(name: str, value: Any) -> Varied:
    """Let the reader give the values of a field: of words those to try, of numbers a list or a range.

    Raises: Refusal, if an end of a range is missing.
    """
    with st.container(border=True):
        if not is_number(name):
            return tuple(_words(name, value))
        title, choice = st.columns([3, 2], vertical_alignment="center")
        title.markdown(f"**{t(f'spec.{name}.label')}**")
        with choice:
            kinds = {kind: t(f"study.{kind}") for kind in ("list", "range")}
            kind = row_of(t("study.kind"), kinds, f"study-kind-{name}", persist_state="session")
        return _list(name, value) if kind == "list" else _range(name, value)


def _words(name: str, value: Any) -> list[str]:
    say = {one: t(f"architecture.{one}") if name == "architecture" else t(f"option.{one}") for one in options(name)}
    key = f"study-words-{name}"
    first = [one for one in first_values(name, value) if one in say]
    if name == "architecture" and value == CUSTOM:
        first = list(ARCHITECTURES)[:1]
    return st.multiselect(
        t(f"spec.{name}.label"),
        list(say),
        default=None if key in st.session_state else first,
        key=key,
        format_func=say.__getitem__,
        placeholder=t("study.values_none"),
        persist_state="session",
    )


def _list(name: str, value: Any) -> Varied:
    """A text field for a list of numbers, which a change of language rewrites."""
    kept = st.session_state.setdefault(WRITTEN, {}).get(name) or first_values(name, value)
    shown = "; ".join(write_number(one, language()) if not isinstance(one, str) else one for one in kept)
    written = st.text_input(
        t("study.values", field=t(f"spec.{name}.label")),
        shown,
        key=f"study-list-{name}-{language()}",
        help=t("study.values_help", allowed=allowed(name)),
        persist_state="session",
    )
    found = read_list(name, written, language())
    st.session_state[WRITTEN][name] = found
    return found


def _range(name: str, value: Any) -> Varied:
    """Two text fields for the ends of a range."""
    around = first_values(name, value)
    kept = st.session_state.setdefault(WRITTEN, {}).get(f"{name}..") or (around[0] or around[1], around[-1])
    ends = []
    help = t("study.range_help", allowed=allowed(name))
    for column, end, before in zip(st.columns(2), ("low", "high"), kept, strict=True):
        written = column.text_input(
            t(f"study.{end}", field=t(f"spec.{name}.label")),
            before if isinstance(before, str) else write_number(before, language()),
            key=f"study-{end}-{name}-{language()}",
            help=help,
            persist_state="session",
        )
        ends.append(read_field(name, written.strip(), language()))
    st.session_state[WRITTEN][f"{name}.."] = tuple(ends)
    low, high = ends
    if isinstance(low, str) or isinstance(high, str):
        wrong = low if isinstance(low, str) else high
        raise Refusal("error.range_end", field=t(f"spec.{name}.label"), value=wrong, allowed=allowed(name))
    if not low < high:
        raise Refusal("error.range_order", field=t(f"spec.{name}.label"), low=low, high=high)
    return Range(low, high)


# --- how, and what it costs -------------------------------------------------------------------------------------------


def _way(base: RunSpec, varied: Mapping[str, Varied]) -> Study:
    """Let the reader choose the way and the budget. Raises: Refusal, if there is no such search."""
    st.subheader(t("study.way"))
    way: Way = row_of(t("study.way"), {way: t(f"study.ways.{way}") for way in WAYS}, WAY, persist_state="session")
    st.caption(t(f"study.ways.{way}_help"))
    runs, minutes = RUNS, None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if way not in ("grid", "staged"):
            title = t("study.runs")
            runs = st.number_input(title, 1, MOST_RUNS, RUNS, key="study-runs", width=180, persist_state="session")
        minutes = st.number_input(
            t("study.minutes"),
            0.1,
            float(MOST_MINUTES),
            None,
            step=1.0,
            format="%g",
            key="study-minutes",
            placeholder=t("study.no_bound"),
            help=t("study.minutes_help"),
            width=240,
            persist_state="session",
        )
        prune = st.toggle(t("study.prune"), key="study-prune", help=t("study.prune_help"), persist_state="session")
    return named(base, way, varied, int(runs), minutes=minutes, prune=prune)


def _plan(study: Study, *, can_start: bool) -> None:
    """Say how many trainings the search has and how long they take; show *Start*. Raises: Refusal, if it has none."""
    search, big = study.search(), largest(study)
    count = cost(study, 1.0).runs
    if can_start:
        check(big, server.counts(big), fits(big).rows)
    with st.container(border=True):
        epochs = study.base.epochs
        each = "" if "epochs" in study.varied else t("study.epochs_each", count=epochs)
        st.markdown(f"**{t('study.plan', count=count)}** {each}")
        st.markdown(_tried(study, search))
        measuring = estimate.is_lasting(big, ASKED)

        def say(asked: Mapping[str, Any]) -> str:
            found = cost(study, asked["seconds"], settings.runs_at_once())
            words = {"count": found.runs, "seconds": duration(60 * found.minutes)}
            least = [t("study.cost_least", seconds=duration(60 * found.least_minutes))] if study.prune else []
            return " ".join([t("study.cost", **words), *least])

        def offer() -> None:
            estimate.offer(big, ASKED, say, lasting=measuring, key="study-estimate")

        st.fragment(offer, run_every=POLL_CURVES if measuring else None, key="study-how-long")()
        st.caption(t("study.plan_help"))
        button: dict[str, Any] = {
            "type": "primary",
            "icon": ":material/play_arrow:",
            "key": "study-start",
            "width": "stretch",
        }
        if st.button(t("study.start", count=count), **button, disabled=not can_start) and can_start:
            _start(study)


def _tried(study: Study, search: Search) -> str:
    """The values that the search tries, field by field, as a list in Markdown."""
    lines = []
    for place, (name, values) in enumerate(study.varied.items()):
        if isinstance(values, Range) and study.way not in ("grid", "staged"):
            ends = {"low": value_text(name, values.low, language()), "high": value_text(name, values.high, language())}
            words = t("study.from_log" if values.is_log else "study.from", **ends)
        else:
            stages = search.stages  # of a grid one, whose options are tuples of a value for each field
            single = stages[place].options if study.way == "staged" else [one[place] for one in stages[0].options]
            tried = values if isinstance(values, tuple) else dict.fromkeys(single)
            words = ", ".join(_value(name, value) for value in tried)
        lines.append(f"- {t(f'spec.{name}.label')}: {words}")
    return "\n".join(lines)


def _value(name: str, value: Any) -> str:
    return t(f"architecture.{value}") if name == "architecture" else value_text(name, value, language())


def _start(study: Study) -> None:
    """Queue the search's first runs, and show the page again, with it."""
    with kept_refusal(REFUSED):
        for spec in dict.fromkeys(cell.spec for cell in cells(study.search(), lambda _: None, VARIANT)):
            check(spec, server.counts(spec), fits(spec).rows)
        for run in server.searches().needed(study):
            server.workers().resume(run)
        st.query_params[KEY] = study.name
        st.rerun()
