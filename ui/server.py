"""What one server holds for all its visitors: the workers, what it has read of the runs, opened models, data.

A hot reload must not start a second set of workers, so these live in Streamlit's cache of resources.
"""

from __future__ import annotations

import threading
from pathlib import Path

import streamlit as st

from core import settings, store
from core.datasets import Splits, dataset
from core.events import Checkpoint, Epoch, Event, Report, continued
from core.predict import Model, open_model
from core.refusal import Refusal
from core.spec import RunSpec
from core.splits import choose
from core.store import Run
from core.workers import Workers

PAGES = settings.ROOT / "pages"


@st.cache_resource(show_spinner=False)
def workers() -> Workers:
    """The queue of this server."""
    return Workers()


class _Log:
    """What has been read of one run's events; a look reads only what is new."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.offset = 0
        self.lock = threading.Lock()


@st.cache_resource(show_spinner=False, max_entries=200)
def _log(folder: Path) -> _Log:
    del folder  # it is the cache's key
    return _Log()


def events(run: Run) -> list[Event]:
    """The run's events so far, without what a resumed worker has overtaken."""
    log = _log(run.folder)
    with log.lock:
        new, log.offset = run.read(log.offset)
        if new:
            log.events = continued([*log.events, *new])
        return log.events


def model(run: Run) -> Model:
    """The run's best model, or its newest state while it is not done. Raises: Refusal, if it has none yet."""
    last = next((event for event in reversed(events(run)) if isinstance(event, Epoch | Checkpoint | Report)), None)
    version = last.model_sha256 if isinstance(last, Report) else last.sha256 if last else ""
    return _model(run.folder, version)


@st.cache_resource(show_spinner=False, max_entries=32)  # of a class: each is asked up to 40 times a second
def _model(folder: Path, version: str) -> Model:
    del version  # it is the cache's key: other weights, another model
    import torch

    torch.set_num_threads(1)  # a page asks about one picture; the cores belong to the training
    return open_model(Run(folder))


@st.cache_resource(show_spinner=False, max_entries=3)
def splits(spec: RunSpec) -> Splits:
    """The data as the spec's run had them. Raises: Refusal, if they are not here."""
    return choose(spec, dataset(spec.data).load())


def find(name: str | None) -> Run | None:
    """The run of that name, None if there is none."""
    try:
        return store.find(name) if name else None
    except Refusal:
        return None
