"""What a server shares among all its visitors: the workers, events read from the runs, opened models, data.

These are kept in Streamlit's resource cache, because a hot reload must not start a second set of workers.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import streamlit as st

from core import settings, store
from core.datasets import Splits, dataset, datasets
from core.drawing.collection import LabelledDrawing
from core.events import Checkpoint, ComputedBy, Epoch, Event, Inside, Report, Started, continued
from core.images import preprocessing
from core.images.splits import choose, class_counts, digest, resized
from core.measures.answers import Answers, stored_answers
from core.measures.calibration import temperature
from core.measures.measures import Measures, measures
from core.measures.summary import Listed, Summary, status_of, summary
from core.models.model import DRAWN, Model, answers_to, can_be_drawn_for, can_be_opened, open_model
from core.recipes import Variant
from core.recipes.results import Result, of_run, stored
from core.recipes.searches import SEARCHES, Choices, belongs_to, choices_of
from core.refusal import Refusal
from core.search import known_runs
from core.search.importance import Importance, importance
from core.search.studies import Studies
from core.search.study import Study, study_of
from core.search.trainings import Training
from core.spec import RunSpec
from core.store import Label, Run
from core.workers import Workers, estimated, paced, remembered
from core.workers.sweep import Sweep

if TYPE_CHECKING:
    from core.workers.cluster import Cluster

PAGES = settings.ROOT / "pages"
LOOKED_AT = 200  # newest runs among which one of the same pace is looked for
MOST_INSIDE = 200  # epochs of a run whose histograms are kept, some 25 kB each
MOST_RUNS = 20_000  # whose facts are kept, a kilobyte each


@st.cache_resource(show_spinner=False)
def workers() -> Workers:
    """The server's queue of runs, which are trained here or, if `BANCADA_ENGINE` names one, in a cluster."""
    there = cluster()
    if not there:
        return Workers(at_once=_at_once(), follow=searches().follow)
    from core.workers.cluster import carry_there

    queue = Workers(there, carry_there, at_once=_at_once(), follow=searches().follow)
    there.changed = queue.hand_out
    return queue


def _at_once() -> int | Callable[[], int]:
    """How many runs are trained at the same time, in a cluster as many as it has room for just now."""
    there = cluster()
    return there.slots if there else settings.runs_at_once()


@st.cache_resource(show_spinner=False)
def cluster() -> Cluster | None:
    """The cluster in which this server's runs are trained; None if they are trained here."""
    if not settings.engine():
        return None
    from core.workers.cluster import Cluster

    return Cluster(settings.engine())


@st.cache_resource(show_spinner=False)
def searches() -> Studies:
    """The driver of the searches, which queues the trainings that follow a finished one."""
    return Studies(SEARCHES, _at_once())


class _Log:
    """The events read so far from one run's log, and the position from which to read on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.offset = 0
        self.lock = threading.Lock()


@st.cache_resource(show_spinner=False, max_entries=200)
def _log(folder: Path) -> _Log:
    del folder  # only the cache's key
    return _Log()


def events(run: Run) -> list[Event]:
    """The run's events so far, without those that a worker repeats because it resumed from an earlier checkpoint."""
    log = _log(run.folder)
    with log.lock:
        new, log.offset = run.read(log.offset)
        if new:
            log.events = thinned(continued([*log.events, *new]))
        return log.events


def thinned(events: Sequence[Event]) -> list[Event]:
    """The events without some of the `Inside` events of a long run, so that a page can watch it for hours.

    Those of at most `MOST_INSIDE` evenly spaced epochs stay, and the last, by which a run is diagnosed.
    """
    epochs = [event.epoch for event in events if isinstance(event, Inside)]
    step = math.ceil(max(epochs, default=0) / MOST_INSIDE)
    power = 1 << max(0, step - 1).bit_length()  # so that the epochs of today are among those of tomorrow
    return [
        event
        for event in events
        if not isinstance(event, Inside) or event.epoch % power == 0 or event.epoch == epochs[-1]
    ]


def changed(folder: Path) -> tuple[int, int]:
    """A value that is another one whenever a run's log has been written: its time of change, in ns, and its size."""
    return Run(folder).log_changed()


def damaged_lines(run: Run) -> int:
    """The number of damaged lines in the run's log, see `Run.damaged_lines`. Raises: Refusal."""
    return _damaged_lines(run.folder, changed(run.folder))


@functools.lru_cache(maxsize=4096)
def _damaged_lines(folder: Path, changed: tuple[int, int]) -> int:
    del changed  # only part of the cache's key
    return Run(folder).damaged_lines()


@dataclass(frozen=True)
class Facts:
    """What a list says of a run, see `Run.facts`; None where it is not known."""

    data: str | None
    architecture: str | None
    recipe: tuple[str, Variant] | None
    choices: Choices  # of a search's training
    accuracy: float | None
    test_use: str | None
    by_hand: bool  # its training was ended before its time, see `Report.is_by_hand`
    is_pruned: bool  # as a run of a study that fell behind the others
    is_done: bool
    is_trained: bool  # done, or only the test split is unread
    has_model: bool  # finished or not
    reads_drawings: bool  # it has a model of digits


def facts(folder: Path) -> Facts:
    """The facts of the run in this folder, read again when its log has changed."""
    found = _facts(folder, changed(folder))
    return found if found.data else _read_facts(folder)  # damaged, perhaps only until a copy is complete


@functools.lru_cache(maxsize=MOST_RUNS)
def _facts(folder: Path, changed: tuple[int, int]) -> Facts:
    del changed  # only part of the cache's key
    return _read_facts(folder)


def _read_facts(folder: Path) -> Facts:
    run = Run(folder)
    known = run.facts()
    return Facts(
        data=known["data"],
        architecture=known["architecture"],
        recipe=belongs_to(run.spec) if known["data"] else None,  # a damaged run has neither
        choices=choices_of(run.spec) if known["data"] else (),
        accuracy=known["accuracy"],
        test_use=known["test_use"],
        by_hand=bool(known["by_hand"]),
        is_pruned=run.is_pruned(),
        is_done=known["status"] == "done",
        is_trained=known["status"] == "done" or run.is_trained(),
        has_model=can_be_opened(run),
        reads_drawings=can_be_drawn_for(run),
    )


def listed() -> list[Listed]:
    """All runs in the store, newest first, as a table of runs shows them; read again where their files have changed."""
    return [_listed(run) for run in handles()]


def _listed(run: Run) -> Listed:
    found = _summary(run.folder, changed(run.folder))
    return Listed(found, status_of(run, found), _noted(run.folder, run.label_changed()))


@functools.lru_cache(maxsize=MOST_RUNS)
def _summary(folder: Path, changed: tuple[int, int]) -> Summary:
    del changed  # only part of the cache's key
    return summary(_handle(folder))


@functools.lru_cache(maxsize=MOST_RUNS)
def _noted(folder: Path, changed: tuple[int, int] | None) -> Label:
    return Run(folder).label() if changed else Label()


def done(data: str | None = None) -> list[str]:
    """The names of the finished runs, on this data set if one is given, newest first."""
    known = {run.name: facts(run.folder) for run in store.runs()}
    return [name for name, one in known.items() if one.is_done and data in (None, one.data)]


def has_data(name: str) -> bool:
    """Whether the data of the run of this name are on this machine, so that its test images can be shown."""
    data = datasets().get(facts(settings.store_folder() / name).data or "")  # a file of one's own may be gone
    return bool(data) and data.state()[0] == "ready"


def openable() -> list[str]:
    """The names of the runs with a model, newest first: those that are done, then the others."""
    known = {run.name: facts(run.folder) for run in store.runs()}
    return sorted((name for name in known if known[name].has_model), key=lambda name: not known[name].is_done)


def offered() -> list[str]:
    """The names of the runs with a digit model, newest first: those trained on drawings, the others, the unfinished."""
    known = {run.name: facts(run.folder) for run in store.runs()}

    def place(name: str) -> tuple[bool, bool]:
        return not known[name].is_trained, known[name].data not in DRAWN

    return sorted((name for name in known if known[name].reads_drawings), key=place)


def results() -> list[Result]:
    """The results of the recipes: those that come with the project, then those of the store's runs, oldest first."""
    runs = [run for run in reversed(store.runs()) if facts(run.folder).recipe]
    found = [_result(run.folder, changed(run.folder)) for run in runs]
    return [*stored(), *(one for one in found if one)]


@functools.lru_cache(maxsize=MOST_RUNS)
def _result(folder: Path, changed: tuple[int, int]) -> Result | None:
    # Only part of the cache's key. The cache has to be a quick one: the page Recipes looks up every run.
    del changed
    try:
        return of_run(Run(folder))
    except Refusal:  # damaged
        return None


def handles() -> list[Run]:
    """All runs in the store, newest first, as cached objects that keep the spec once it is read."""
    return [_handle(run.folder) for run in store.runs()]


@functools.lru_cache(maxsize=MOST_RUNS)
def _handle(folder: Path) -> Run:
    return Run(folder)


def known() -> dict[RunSpec, Run]:
    """One run for each spec in the store, see `known_runs`."""

    def progress(run: Run) -> int:
        known = facts(run.folder)
        return -1 if known.by_hand or known.is_pruned else known.is_done + known.is_trained

    return known_runs(handles(), progress)


def studies() -> dict[str, Study]:
    """The searches of the store by their names, the one with the newest run first; each is told from that run."""
    found: dict[str, Study | None] = {}
    for run in handles():
        name = _noted(run.folder, run.label_changed()).study
        if name and not found.get(name):
            found[name] = _study(run.folder, run.label_changed())
    return {name: one for name, one in found.items() if one}


@functools.lru_cache(maxsize=MOST_RUNS)
def _study(folder: Path, changed: tuple[int, int] | None) -> Study | None:
    del changed  # only part of the cache's key
    with contextlib.suppress(Refusal):  # damaged
        return study_of(Run(folder))
    return None


def importance_of(study: Study, found: Sequence[Training]) -> Importance:
    """How much each field of a search matters, see `core.search.importance`. Raises: Refusal."""
    done = tuple((one.spec, one.accuracy) for one in found if one.state == "done")
    pruned = sum(one.state == "pruned" for one in found)
    return _importance(f"{study.name} {study.plan()}", (done, pruned), study, found)


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs={RunSpec: RunSpec.model_dump_json})
def _importance(study: str, done: object, _study: Study, _found: Sequence[Training]) -> Importance:
    del study, done  # only the cache's key
    return importance(_study, _found)


def repeating(name: str, variant: Variant) -> list[Run]:
    """The runs in the store that repeat a recipe's variant, with any seed, newest first."""
    return [run for run in handles() if facts(run.folder).recipe == (name, variant)]


# --- caches that are valid until the files behind them change ---------------------------------------------------------


def _key(name: Callable[[Any], str], version: Callable[[Any], object]) -> Callable[[Any], tuple[str, object]]:
    """The key by which Streamlit caches a result: the name of the run or data, and the version of its files.

    Streamlit would wrap a Refusal raised here in an exception of its own. The key therefore has the version None: the
    cached function is called and raises the Refusal itself, and nothing is cached.
    """

    def key(asked: Any) -> tuple[str, object]:
        try:
            return name(asked), version(asked)
        except Refusal:
            return name(asked), None

    return key


def _folder(run: Run) -> str:
    return str(run.folder)


def _weights(run: Run) -> str:
    last = next((event for event in reversed(events(run)) if isinstance(event, Epoch | Checkpoint | Report)), None)
    return last.model_sha256 if isinstance(last, Report) else last.sha256 if last else ""


def _predictions(run: Run) -> str:
    report = run.report()
    return report.predictions_sha256 if report else ""


def _matrix(run: Run) -> tuple[tuple[int, ...], ...]:
    report = run.report()
    assert report
    return report.confusion_matrix


def _files(spec: RunSpec) -> str:
    return dataset(spec.data).version()


def _names(kept: list[LabelledDrawing]) -> str:
    return "\n".join(one.name for one in kept)  # without this, Streamlit would hash the pixels of every drawing


HashFuncs = dict[str | type[Any], Callable[[Any], Any]]  # as `st.cache_resource` takes them
BY_WEIGHTS: HashFuncs = {Run: _key(_folder, _weights), list: _names}
BY_PREDICTIONS: HashFuncs = {Run: _key(_folder, _predictions)}
BY_MATRIX: HashFuncs = {Run: _key(_folder, lambda run: str(_matrix(run)))}
BY_DATA: HashFuncs = {RunSpec: _key(lambda spec: spec.data, _files)}
BY_SPLIT: HashFuncs = {RunSpec: _key(lambda spec: repr((spec.data, spec.split, spec.val_fraction, spec.seed)), _files)}
BY_SPEC: HashFuncs = {RunSpec: _key(RunSpec.model_dump_json, _files)}


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_WEIGHTS)  # read up to 40 times a second
def model(run: Run) -> Model:
    """The run's best model, or its newest checkpoint until the run is done. Raises: Refusal, if it has none yet."""
    import torch

    torch.set_num_threads(1)  # a page classifies single pictures; the cores are for the training
    return open_model(run)


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_WEIGHTS)
def drawn_answers(run: Run, kept: list[LabelledDrawing]) -> Answers:
    """The answers of the run's model to saved drawings, at least one. Raises: Refusal, as `model`."""
    return answers_to(model(run), kept)


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=BY_PREDICTIONS)  # ten settings of six seeds
def answers(run: Run, split: Literal["val", "test"]) -> Answers | None:
    """The stored answers of a finished run's best model, see `stored_answers`. Raises: Refusal."""
    return stored_answers(run, split)


@functools.lru_cache(maxsize=4096)
def class_names(run: Run, language: str) -> tuple[str, ...]:
    """The result of `Run.class_names`, cached because that reads the whole log. Raises: Refusal."""
    return run.class_names(language)


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=BY_MATRIX)
def measured(run: Run) -> Measures:
    """The measures of a finished run's confusion matrix."""
    return measures(_matrix(run))


@st.cache_resource(show_spinner=False, max_entries=12, hash_funcs=BY_PREDICTIONS)
def best_temperature(run: Run) -> float | None:
    """The temperature fitted to the run's answers on val, see `temperature`; None without such answers or errors."""
    val = answers(run, "val")
    return temperature(val) if val else None


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs=BY_SPEC)
def images(spec: RunSpec) -> str:
    """The digest of the test images that the spec's run would have, see `digest`. Raises: Refusal, as `splits`."""
    return digest(splits(spec).test)


@st.cache_resource(show_spinner=False, max_entries=2, hash_funcs=BY_DATA)
def official(spec: RunSpec) -> Splits:
    """The authors' own splits of the spec's data set. Raises: Refusal, if the data are not on this machine."""
    return dataset(spec.data).load()


@st.cache_resource(show_spinner=False, max_entries=3, hash_funcs=BY_SPEC)
def splits(spec: RunSpec) -> Splits:
    """The splits that the spec's run uses. Raises: Refusal, if the data are not on this machine."""
    return choose(spec, official(spec))


@st.cache_resource(show_spinner=False, max_entries=500, hash_funcs=BY_SPLIT)
def counts(spec: RunSpec) -> dict[str, np.ndarray]:
    """The images of each class in each split of the spec's run, see `class_counts`. Raises: Refusal."""
    return class_counts(spec, dataset(spec.data))


@st.cache_resource(show_spinner=False, max_entries=20, hash_funcs=BY_SPEC)
def normalisation(spec: RunSpec) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift, float32 (1, C, 1, 1), with which the run normalises its pixels. Raises: Refusal, as `splits`."""
    images = splits(spec.model_copy(update={"image_size": None})).train.images
    if spec.image_size and spec.normalisation == "standard":  # the others do not depend on the images
        images = resized(images, spec.image_size)
    return preprocessing.normalisation(spec, images)


# --- how long a training will take ------------------------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def _timers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)  # two at the same time would slow each other down


@st.cache_resource(show_spinner=False, max_entries=500)
def estimate(spec: RunSpec) -> Future[dict[str, Any]]:
    """How long an epoch of a spec `paced` will take, measured, with the keys of `python -m core estimate --json`."""
    return _timers().submit(estimated, spec)


@st.cache_resource(show_spinner=False)
def _sweepers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


@st.cache_resource(show_spinner=False, max_entries=100)
def sweep(spec: RunSpec) -> Sweep:
    """The learning rates tried for a spec `swept`, begun at the first call; those who ask for the same share it."""
    one = Sweep(spec)
    _sweepers().submit(one.run)
    return one


def pace_so_far(spec: RunSpec) -> tuple[float, str] | None:
    """The seconds of an epoch on this machine, known from before: as measured, or of a run, whose name is returned.

    Not of a run that PyTorch computed where the kernels would compute the next one, or the other way round.
    """
    if seconds := remembered(spec):
        return seconds, ""
    if "torch" not in sys.modules:  # a page must not wait for that import
        return None
    newest = store.runs()[:LOOKED_AT]
    alike = (run for run in newest if facts(run.folder).data == spec.data)
    wanted = (paced(spec), settings.device(), settings.threads())
    paces = ((_pace(run.folder, changed(run.folder)), run.name) for run in alike)
    found = (
        (pace[2], name) for pace, name in paces if pace and pace[0] == wanted and pace[1] == _will_be_computed_by(spec)
    )
    return next(found, None)


@functools.lru_cache(maxsize=4096)
def _pace(folder: Path, changed: tuple[int, int]) -> tuple[tuple[RunSpec, str, int], ComputedBy, float] | None:
    """What the time of an epoch of a run depends on, and that time; None if it has no epoch, or ran elsewhere."""
    del changed  # only part of the cache's key
    run = Run(folder)
    with contextlib.suppress(Refusal):
        started, epoch = run.last(Started), run.last(Epoch)
        if started and epoch and epoch.seconds:
            cuda = started.device == "cuda" and "torch" in sys.modules
            name = sys.modules["torch"].cuda.get_device_name() if cuda else settings.processor()
            if started.device_name == name:
                alike = (paced(run.spec), started.device, started.threads)
                return alike, started.computed_by, epoch.seconds / epoch.epoch
    return None


def _will_be_computed_by(spec: RunSpec) -> ComputedBy:
    """By what a new run of the spec would be computed now."""
    import torch

    from core.training.engine import computed_by

    source = dataset(spec.data)
    return computed_by(spec, spec.table(source.shape, source.class_count), torch.device(settings.device()))[0]


def find(name: str | None) -> Run | None:
    """The run of that name; None if there is none."""
    try:
        return store.find(name) if name else None
    except Refusal:
        return None
