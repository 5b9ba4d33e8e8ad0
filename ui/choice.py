"""The reader's choice of a run, shared by all pages and named in the page's link, and the labels of runs."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import streamlit as st

from core import store
from core.datasets import DATASETS
from core.models.model import why_not_offered
from core.networks.architectures import ARCHITECTURES
from core.recipes import Variant
from core.recipes.searches import Choices, choices_text
from core.refusal import Refusal
from core.spec import CUSTOM
from core.store import Run
from ui import server
from ui.text import language, percent, refused, t

KEY = "run"
CHOSEN = "run.chosen"  # by the reader; a run that a page shows by default is stored neither here nor in the link
OTHERS = "others"
WIDTH = 480  # px, of the choice of models: a label fits
BESIDE = 5  # models beside the first: already more than people can compare, and each has to answer at each pen-up
# On a phone the choice has the width to itself, and the link stands below it.
STYLE = """<style>@media (max-width: 640px) { .st-key-run-choice > div:first-child { min-width: 100%; } }</style>"""
Option = TypeVar("Option")
WhyNot = Callable[[Run], Refusal]
LABELS = "run.labels"  # the name of the run behind each label that the reader has been shown


def asked() -> str | None:
    """The name of the run that the link asks for, or that the reader has chosen; None if there is none."""
    if linked := st.query_params.get(KEY):  # a choice made since then has taken it out of the link, see `_choose`
        st.session_state[CHOSEN] = linked
    return st.session_state.get(CHOSEN)


def choose_run(
    label: str,
    names: Sequence[str],
    *,
    required: bool,
    first: str | None = None,
    why_not: WhyNot | None = None,
    say: Callable[[str], object] = st.warning,
    label_visibility: Literal["visible", "collapsed"] = "visible",
    all_runs: bool = True,
) -> Run | None:
    """Let the reader choose one of `names`; a run named by the link or chosen on another page is preselected.

    If that run is not among `names`, a sentence says why, none is shown in its place until the reader chooses, and the
    link no longer names it. Without a choice, `first` or else the first run is shown if `required`, else none.
    `why_not` says why a page that does not list all runs leaves one out that is not damaged; `say` shows the sentence.
    `all_runs`: whether a link to the table of all runs stands beside the choice.
    """
    chosen = asked()
    if chosen and chosen in names:
        st.query_params[KEY] = chosen
    else:
        st.query_params.pop(KEY, None)
    if chosen and chosen not in names:
        refused(_reason(chosen, why_not), say)
    if not names:
        return None
    default = (first or names[0]) if required and not chosen else None
    shown = st.session_state[KEY] = chosen if chosen in names else default

    def remember() -> None:
        option = st.session_state[KEY]
        _choose(_name(option) if option else None)

    labels = _labels(names)
    row = {"horizontal": True, "vertical_alignment": "center", "gap": "small", "key": "run-choice"}
    with st.container(**row) if all_runs else contextlib.nullcontext():
        st.selectbox(
            label,
            names,
            index=names.index(shown) if required and shown else None,  # None lets the reader clear the choice
            key=KEY,
            format_func=labels.__getitem__,
            on_change=remember,
            placeholder=t("train.choose"),
            label_visibility=label_visibility,
        )
        if all_runs:
            st.html(STYLE)
            st.page_link(
                server.PAGES / "runs.py", label=t("train.all_runs"), icon=":material/table_rows:", width="content"
            )
    return server.find(st.session_state[KEY])


def _reason(name: str, why_not: WhyNot | None) -> Refusal:
    """Why a page cannot show the run of this name: there is none, it is damaged, or the page's own reason."""
    try:
        run = store.find(name)
        _ = run.spec, run.report()
    except Refusal as refusal:
        return refusal
    return why_not(run) if why_not else Refusal("error.run_unknown", run=name[:80])


def choose_runs(names: Sequence[str], *, beside: int = BESIDE) -> list[Run]:
    """Let the reader choose one of `names`, the models `offered`, see `choose_run`, and up to `beside` beside it.

    The choice opens from a button, so that it takes one row whatever is chosen.
    """
    popover = st.popover(t("draw.choose"), icon=":material/model_training:", key="models")
    messages = st.container()  # in sight while the choice is closed
    with popover.container(width=WIDTH):
        run = choose_run(
            t("draw.model"), names, required=True, why_not=why_not_offered, say=messages.warning, all_runs=False
        )
        if not names:
            return []
        others = [name for name in names if not run or name != run.name]
        before = [_name(shown) for shown in st.session_state.get(OTHERS, ())]
        for name in before:
            if name not in names:
                refused(_reason(name, why_not_offered), messages.warning)
        st.session_state[OTHERS] = [name for name in before if name in others][:beside]
        labels = _labels(others)
        chosen = st.multiselect(
            t("draw.others", count=beside),
            others,
            key=OTHERS,
            format_func=labels.__getitem__,
            max_selections=beside,
            placeholder=t("draw.no_others"),
            persist_state="session",
        )
    return [run, *filter(None, map(server.find, chosen))] if run else []


def _labels(names: Sequence[str]) -> dict[str, str]:
    """The labels of the runs, which are remembered for `_name`."""
    labels = {name: run_label(name) for name in names}
    st.session_state.setdefault(LABELS, {}).update({label: name for name, label in labels.items()})
    return labels


def _name(option: str) -> str:
    """The name of the run that was chosen.

    A browser tells the chosen option's label. If the label has changed meanwhile (the run has ended and has an accuracy
    now), Streamlit does not know the old one and hands over the label itself.
    """
    return st.session_state.get(LABELS, {}).get(option, option)


def look_at(run: Run) -> None:
    """Choose a run for a reader who has just started it or has chosen none."""
    _choose(run.name)


def _choose(name: str | None) -> None:
    """Make a run, or none, the reader's choice, whatever the link asked for before."""
    st.session_state[CHOSEN] = name
    st.query_params.pop(KEY, None)


def linked(key: str, options: Collection[str]) -> str | None:
    """The link's value of `key` if it is one of `options`; else None, and a sentence if the link has another one."""
    value = st.query_params.get(key)
    if value is None or value in options:
        return value
    del st.query_params[key]
    st.warning(t("link.unknown", name=key, value=value[:80], known=", ".join(options)))
    return None


def run_label(name: str) -> str:
    """A run's label: date and time, data, recipe or architecture, accuracy, and the last four letters of its name."""
    run = server.find(name)  # the name may come from a link or from a stranger's spec
    if not run or not server.facts(run.folder).data:
        return name
    return _label(run.folder, server.changed(run.folder), language())


@functools.lru_cache(maxsize=server.MOST_RUNS)
def _label(folder: Path, changed: tuple[int, int], language: str) -> str:
    del changed, language  # only part of the cache's key
    name, facts = folder.name, server.facts(folder)
    if not facts.data or not facts.architecture:
        return name
    when = f"{name[6:8]}/{name[4:6]} {name[9:11]}:{name[11:13]}"
    result = percent(facts.accuracy, 2) if facts.accuracy is not None else "…"
    if facts.is_trained and not facts.is_done:
        result = t("status.trained")
    if facts.test_use == "selected":
        result = t("test_use.mark", accuracy=result)
    network = network_name(facts.architecture, facts.recipe, facts.choices)
    return " · ".join([when, data_name(facts.data), network, result, name[-4:]])


def short_label(name: str) -> str:
    """A run's name in a table's row: recipe or architecture, data, and the last four letters of its name."""
    run = server.find(name)
    facts = server.facts(run.folder) if run else None
    if not facts or not facts.data or not facts.architecture:
        return name
    network = network_name(facts.architecture, facts.recipe, facts.choices)
    return " · ".join([network, data_name(facts.data), name[-4:]])


def data_name(data: str) -> str:
    """A data set's title; the name itself for one that has no title."""
    return t(f"dataset.{data}") if data in DATASETS else data


def network_name(architecture: str, recipe: tuple[str, Variant] | None, choices: Choices = ()) -> str:
    """The recipe's name, with its variant unless that is `faithful`, and the choices of a search's training, see
    `choices_of`; without a recipe the architecture's title.
    """
    if recipe:
        name, variant = recipe
        name = name if variant == "faithful" else f"{name} ({t(f'variant.{variant}').lower()})"
        return " · ".join(filter(None, [name, choices_text(choices, language())]))
    named = architecture in ARCHITECTURES or architecture == CUSTOM
    return t(f"architecture.{architecture}") if named else architecture


def choose_other(label: str, candidates: Mapping[str, Run], key: str) -> str | None:
    """Let the reader choose one of `candidates`, runs by name, to compare with; returns its name, at first None."""
    labels = {name: run_label(name) for name in candidates}
    return st.selectbox(
        label,
        list(candidates),
        index=None,
        format_func=labels.__getitem__,
        placeholder=t("compare.choose"),
        key=key,
    )


def one_of(words: str, options: Sequence[str]) -> str:
    """Let the reader choose one of a few options in a row, at first the first; returns it.

    The text keys are `WORDS.label` for the row and `WORDS.OPTION` for each option, WORDS being `words`.
    """
    say = {option: t(f"{words}.{option}") for option in options}
    return row_of(t(f"{words}.label"), say, words, persist_state="session")


def linked_row(label: str, say: Mapping[str, str], key: str, *, name: str = "", default: str | None = None) -> str:
    """Let the reader choose as in `row_of`; the choice stands in the page's link, as `name` or else `key`.

    At first it is what a link that was opened says.
    """
    name = name or key
    if (asked := linked(name, say)) and key not in st.session_state:
        st.session_state[key] = asked
    chosen = st.query_params[name] = row_of(label, say, key, default=default, persist_state="session")
    return chosen


def row_of(
    label: str,
    say: Mapping[Option, str],
    key: str,
    *,
    default: Option | None = None,
    persist_state: Literal["session"] | None = None,
) -> Option:
    """Let the reader choose one of a few options in a row, at first `default` or else the first; returns it.

    `say`: the words of each option; `label`: for readers who do not see the row; `persist_state`: as in Streamlit.
    """
    return st.segmented_control(
        label,
        list(say),
        default=next(iter(say)) if default is None else default,
        required=True,
        format_func=say.__getitem__,
        label_visibility="collapsed",
        key=key,
        persist_state=persist_state,
    )
