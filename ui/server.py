"""What one server holds for all its visitors: the workers, what it has read of the runs, opened models, data.

A hot reload must not start a second set of workers, so these live in Streamlit's cache of resources.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st

from core import settings, store
from core.datasets import Splits, dataset
from core.drawing.collection import LabelledDrawing
from core.events import Checkpoint, Epoch, Event, Report, continued
from core.images import preprocessing
from core.images.splits import choose, digest, resized
from core.measures.answers import Answers, stored_answers
from core.measures.calibration import temperature
from core.measures.measures import Measures, measures
from core.models.model import Model, answers_to, open_model
from core.recipes import Variant, repeated_by
from core.recipes.results import Result, of_run, stored
from core.recipes.searches import SEARCHES
from core.refusal import Refusal
from core.search import Driver
from core.spec import RunSpec
from core.store import Run
from core.workers import Workers, estimated

PAGES = settings.ROOT / "pages"


@st.cache_resource(show_spinner=False)
def workers() -> Workers:
    """The queue of this server. Any executor of `concurrent.futures` may be given to it in the place of its own."""
    return Workers(follow=searches().follow)


@st.cache_resource(show_spinner=False)
def searches() -> Driver:
    """What carries the searches of report 002 on."""
    return Driver(SEARCHES)


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


def changed(folder: Path) -> int:
    """When a run's log was last written to; 0 where there is none yet."""
    try:
        return (folder / "events.jsonl").stat().st_mtime_ns
    except OSError:
        return 0


def results() -> list[Result]:
    """What the recipes came to: as it is stored beside them, then by the runs in the store, oldest first."""
    found = [_result(run.folder, changed(run.folder)) for run in reversed(store.runs())]
    return [*stored(), *(one for one in found if one)]


@functools.lru_cache(maxsize=4096)
def _result(folder: Path, changed: int) -> Result | None:
    del changed  # it is there to miss the cache
    try:
        return of_run(Run(folder))
    except Refusal:  # damaged
        return None


def handles() -> list[Run]:
    """All runs in the store, newest first, each with the spec that has been read of it before."""
    return [_handle(run.folder) for run in store.runs()]


@functools.lru_cache(maxsize=4096)
def _handle(folder: Path) -> Run:
    return Run(folder)


def repeating(name: str, variant: Variant) -> list[Run]:
    """The runs in the store that repeat a recipe's variant, newest first, whatever their seed."""
    return [run for run in handles() if _repeats(run) == (name, variant)]


def _repeats(run: Run) -> tuple[str, Variant] | None:
    try:
        return repeated_by(run.spec)
    except Refusal:  # damaged
        return None


def model(run: Run) -> Model:
    """The run's best model, or its newest state while it is not done. Raises: Refusal, if it has none yet."""
    return _model(run.folder, _version(run))


def _version(run: Run) -> str:
    """What names the weights of `model`."""
    last = next((event for event in reversed(events(run)) if isinstance(event, Epoch | Checkpoint | Report)), None)
    return last.model_sha256 if isinstance(last, Report) else last.sha256 if last else ""


@st.cache_resource(show_spinner=False, max_entries=32)  # of a class: each is asked up to 40 times a second
def _model(folder: Path, version: str) -> Model:
    del version  # it is the cache's key: other weights, another model
    import torch

    torch.set_num_threads(1)  # a page asks about one picture; the cores belong to the training
    return open_model(Run(folder))


def drawn_answers(run: Run, kept: Sequence[LabelledDrawing]) -> Answers:
    """What `model` says of drawings that were kept, at least one. Raises: Refusal, as `model`."""
    return _drawn_answers(run.folder, _version(run), "\n".join(one.name for one in kept), kept)


@st.cache_resource(show_spinner=False, max_entries=32)
def _drawn_answers(folder: Path, version: str, names: str, _kept: Sequence[LabelledDrawing]) -> Answers:
    del names  # it is the cache's key
    return answers_to(_model(folder, version), _kept)


def answers(run: Run, split: Literal["val", "test"]) -> Answers | None:
    """What a finished run's best model said, see `stored_answers`. Raises: Refusal."""
    report = run.report()
    return _answers(run.folder, report.predictions_sha256 if report else "", split)


def class_names(run: Run, language: str) -> tuple[str, ...]:
    """See `Run.class_names`, which reads the whole log. Raises: Refusal."""
    return _class_names(run.folder, language)


@functools.lru_cache(maxsize=4096)
def _class_names(folder: Path, language: str) -> tuple[str, ...]:
    return Run(folder).class_names(language)


def measured(run: Run) -> Measures:
    """What a finished run's confusion matrix says."""
    report = run.report()
    assert report
    return _measured(report.confusion_matrix)


@st.cache_resource(show_spinner=False, max_entries=32)
def _measured(matrix: tuple[tuple[int, ...], ...]) -> Measures:
    return measures(matrix)


@st.cache_resource(show_spinner=False, max_entries=12)
def best_temperature(folder: Path, version: str) -> float | None:
    """The temperature that the val answers of the run in `folder` choose, see `temperature`; of these predictions."""
    val = _answers(folder, version, "val")
    return temperature(val) if val else None


def images(spec: RunSpec) -> str:
    """What names the test images that the spec's run would have, see `digest`. Raises: Refusal, as `splits`."""
    return _images(spec, dataset(spec.data).version())


@st.cache_resource(show_spinner=False, max_entries=20)
def _images(spec: RunSpec, version: str) -> str:
    del version
    return digest(splits(spec).test)


@st.cache_resource(show_spinner=False, max_entries=12)
def _answers(folder: Path, version: str, split: Literal["val", "test"]) -> Answers | None:
    del version  # it is the cache's key
    return stored_answers(Run(folder), split)


def official(data: str) -> Splits:
    """The authors' own splits of the data set of this name. Raises: Refusal, if they are not here."""
    return _official(data, dataset(data).version())


@st.cache_resource(show_spinner=False, max_entries=2)
def _official(data: str, version: str) -> Splits:
    del version  # it is the cache's key: other files, other data
    return dataset(data).load()


def splits(spec: RunSpec) -> Splits:
    """The data as the spec's run has them. Raises: Refusal, if they are not here."""
    return _splits(spec, dataset(spec.data).version())


@st.cache_resource(show_spinner=False, max_entries=3)
def _splits(spec: RunSpec, version: str) -> Splits:
    del version
    return choose(spec, official(spec.data))


def normalisation(spec: RunSpec) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift, float32 (1, C, 1, 1), that the spec's run gives its pixels. Raises: Refusal, as `splits`."""
    return _normalisation(spec, dataset(spec.data).version())


@st.cache_resource(show_spinner=False, max_entries=20)
def _normalisation(spec: RunSpec, version: str) -> tuple[np.ndarray, np.ndarray]:
    del version
    images = splits(spec.model_copy(update={"image_size": None})).train.images
    if spec.image_size and spec.normalisation == "standard":  # the others do not hang on the images
        images = resized(images, spec.image_size)
    return preprocessing.normalisation(spec, images)


@st.cache_resource(show_spinner=False)
def _timers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)  # two at the same time would measure each other


@st.cache_resource(show_spinner=False, max_entries=500)
def estimate(spec: RunSpec) -> Future[dict[str, Any]]:
    """How long the spec's training will take, once it is measured, as `python -m core estimate --json` says it."""
    return _timers().submit(estimated, spec)


def find(name: str | None) -> Run | None:
    """The run of that name, None if there is none."""
    try:
        return store.find(name) if name else None
    except Refusal:
        return None
