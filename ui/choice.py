"""Which run the reader looks at: the same on all pages, and in the page's link."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core import store
from core.datasets import DATASETS
from core.networks.architectures import ARCHITECTURES
from core.recipes import Variant
from core.recipes.searches import belongs_to
from core.spec import CUSTOM
from core.store import Run
from ui import server
from ui.text import percent, t

KEY = "run"
CHOSEN = "run.chosen"  # by the reader: what a page shows for want of it never gets in here, nor into the link
OTHERS = "others"
BESIDE = 5  # models beside the first: more than people can compare, and each is asked at each pen-up
WRITTEN = "run.written"  # what we have put into the link: another value there comes from whoever opened it


def choose_run(label: str, names: Sequence[str], *, required: bool) -> Run | None:
    """Let the reader choose among runs; one that the link names, or was chosen on another page, is chosen already.

    With `required` the first one stands where nothing is chosen, without it nothing does.
    """
    linked = st.query_params.get(KEY)
    if linked and linked != st.session_state.get(WRITTEN):
        st.session_state[CHOSEN] = linked
    chosen = st.session_state.get(CHOSEN)
    st.session_state[KEY] = chosen if chosen in names else names[0] if required and names else None

    def remember() -> None:
        st.session_state[CHOSEN] = st.session_state[KEY]

    labels = {name: run_label(name) for name in names}
    st.selectbox(
        label,
        names,
        index=0 if required else None,  # None lets the reader choose nothing again
        key=KEY,
        format_func=labels.__getitem__,
        on_change=remember,
        placeholder=t("train.choose"),
    )
    chosen = st.session_state.get(CHOSEN)
    st.session_state[WRITTEN] = chosen
    if chosen and chosen != linked:
        st.query_params[KEY] = chosen
    if not chosen and linked:
        del st.query_params[KEY]
    return server.find(st.session_state[KEY])


def choose_runs(names: Sequence[str]) -> list[Run]:
    """Let the reader choose a run among at least one, see `choose_run`, and up to `BESIDE` others beside it."""
    left, right = st.columns([11, 9], gap="large", vertical_alignment="bottom")
    with left:
        run = choose_run(t("draw.model"), names, required=True)
    others = [name for name in names if run and name != run.name]
    st.session_state[OTHERS] = [name for name in st.session_state.get(OTHERS, ()) if name in others]
    labels = {name: run_label(name) for name in others}
    beside = right.multiselect(
        t("draw.others", count=BESIDE),
        others,
        key=OTHERS,
        format_func=labels.__getitem__,
        max_selections=BESIDE,
        placeholder=t("draw.no_others"),
        persist_state="session",
    )
    return [run, *filter(None, map(server.find, beside))] if run else []


def look_at(run: Run) -> None:
    """Choose a run for the reader, who has just started it or has none."""
    st.session_state[CHOSEN] = run.name


def run_label(name: str) -> str:
    """A run as people tell it from others: when, data, recipe or architecture, accuracy, the end of its name."""
    folder = store.settings.store_folder() / name
    data, architecture, recipe, accuracy, test_use = _facts(folder, server.changed(folder))
    if not data or not architecture:
        return name
    when = f"{name[6:8]}/{name[4:6]} {name[9:11]}:{name[11:13]}"
    result = percent(accuracy, 2) if accuracy is not None else "…"
    if test_use == "selected":
        result = t("test_use.mark", accuracy=result)
    return " · ".join([when, data_name(data), network_name(architecture, recipe), result, name[-4:]])


def data_name(data: str) -> str:
    """A data set as people call it."""
    return t(f"dataset.{data}") if data in DATASETS else data


def network_name(architecture: str, recipe: tuple[str, Variant] | None) -> str:
    """What was trained as people call it: the recipe and, but of a faithful one, the variant; else the architecture."""
    if recipe:
        name, variant = recipe
        return name if variant == "faithful" else f"{name} ({t(f'variant.{variant}').lower()})"
    named = architecture in ARCHITECTURES or architecture == CUSTOM
    return t(f"architecture.{architecture}") if named else architecture


Facts = tuple[str | None, str | None, tuple[str, Variant] | None, float | None, str | None]  # as in `run_label`


@functools.lru_cache(maxsize=4096)
def _facts(folder: Path, changed: int) -> Facts:
    del changed  # it is there to miss the cache
    run = Run(folder)
    facts = run.facts()
    recipe = belongs_to(run.spec) if facts["data"] else None  # a damaged run has neither
    return facts["data"], facts["architecture"], recipe, facts["accuracy"], facts["test_use"]


def one_of(words: str, options: Sequence[str]) -> str:
    """One of a few options in a row, the first at first; their words are `WORDS.OPTION`, and `WORDS.label` for all."""
    say = {option: t(f"{words}.{option}") for option in options}
    return st.segmented_control(
        t(f"{words}.label"),
        options,
        default=options[0],
        required=True,
        format_func=say.__getitem__,
        label_visibility="collapsed",
        key=words,
        persist_state="session",
    )
