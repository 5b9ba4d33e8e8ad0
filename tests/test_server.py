"""What the server keeps of runs and data: read once, again when the files change, refused where they are damaged."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import numpy as np
import pytest

from core import store
from core.drawing import collection
from core.events import Event, Inside, Step
from core.refusal import Refusal
from core.spec import checked
from core.store import Run
from core.work import work
from ui import server


@pytest.fixture
def trained(home):
    """A finished run of the small data."""
    run = store.create(checked({"data": "tiny", "architecture": "mlp", "epochs": 1}))
    assert work(str(run.folder)) == "done"
    return run


READ_OF_A_RUN: list[Callable[[Run], object]] = [
    server.model,
    server.measured,
    server.best_temperature,
    lambda run: server.answers(run, "test"),
    lambda run: server.answers(run, "val"),
]


@pytest.mark.parametrize("read", READ_OF_A_RUN)
def test_what_is_read_of_a_run_is_kept_by_its_folder(trained, read):
    again = Run(trained.folder)
    assert read(trained) is read(again)
    twin = Run(shutil.copytree(trained.folder, trained.folder.with_name("20261122-0000-twin")))
    if read is not server.best_temperature:  # a number
        assert read(twin) is not read(trained)


def test_other_weights_are_another_model_and_other_predictions_other_answers(trained):
    kept = [server.model(trained), server.answers(trained, "test")]
    for what in ("model", "predictions"):
        report = trained.report()
        tensors, _ = trained.load(getattr(report, what), getattr(report, f"{what}_sha256"))
        sha256 = trained.save(getattr(report, what), {**tensors, "new": next(iter(tensors.values())).clone()})
        trained.append(report.model_copy(update={f"{what}_sha256": sha256}))
    assert server.answers(trained, "test") is not kept[1]
    with pytest.raises(Refusal):
        server.model(trained)  # looked at again, and refused: the network has no such weights


def test_answers_to_drawings_are_kept_by_the_names_of_the_drawings(frame):
    run = store.create(checked({"architecture": "mlp", "epochs": 1}))
    assert work(str(run.folder)) == "done"
    ink = np.zeros((112, 112), np.uint8)
    ink[20:92, 52:60] = 255
    for label in (1, 7):
        collection.keep(ink, label)
    both = server.drawn_answers(run, collection.kept())
    assert server.drawn_answers(run, collection.kept()) is both
    assert server.drawn_answers(run, collection.kept()[:1]) is not both


@pytest.mark.parametrize("read", READ_OF_A_RUN)
def test_a_run_whose_log_cannot_be_read_is_refused_in_words(trained, read):
    (trained.folder / "events.jsonl").unlink()
    (trained.folder / "events.jsonl").mkdir()
    with pytest.raises(Refusal) as refusal:
        read(trained)
    assert refusal.value.key == "error.run_damaged"


@pytest.mark.parametrize("read", [server.official, server.splits, server.images, server.normalisation])
def test_data_that_are_gone_are_refused_in_words(home, tiny_data, tmp_path, monkeypatch, read):
    spec = checked({"data": "tiny"})
    assert read(spec) is read(spec.model_copy())
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path))
    with pytest.raises(Refusal):
        read(spec)


def test_a_page_keeps_of_a_long_run_the_histograms_of_a_bounded_number_of_epochs():
    inside = [Inside(epoch=epoch, step=epoch, histograms=(), activities=()) for epoch in range(1, 1_001)]
    step = Step(epoch=1, step=1, loss=1.0, accuracy=0.5, images_per_second=1.0, seconds=1.0)
    kept: list[Event] = []
    for number, event in enumerate(inside, 1):
        kept = server.thinned([*kept, step, event])
        epochs = [one.epoch for one in kept if isinstance(one, Inside)]
        assert len(epochs) <= server.MOST_INSIDE + 1
        assert epochs[-1] == number
        assert len(kept) - len(epochs) == number, "all else stays"
    assert epochs == [*range(8, 1_001, 8)]
    assert server.thinned(inside) == [one for one in kept if isinstance(one, Inside)]
