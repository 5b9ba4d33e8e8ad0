"""A run's log as TensorBoard's event files, read back by TensorBoard's own reader."""

import io
import json
import zipfile
from datetime import datetime

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import SESSION_START_INFO_TAG
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from core.__main__ import main
from core.events import Epoch, Inside, Started, Step
from core.exports import packed
from core.exports.tensorboard import write
from core.refusal import Refusal
from core.spec import checked
from core.store import Run, create
from core.work import work

NET = "conv(4, 3, activation=relu), batch_norm, dense_block(1, growth=2, bottleneck=3), flatten, dense(classes)"
FIELDS = {"data": "tiny", "split": "official", "layers": NET, "batch_size": 16, "epochs": 3, "seed": 7}


@pytest.fixture
def run(home) -> Run:
    """A run on `tiny`, three epochs of five steps; its worker left once in the middle of an epoch."""
    one, looks = create(checked(FIELDS)), iter(range(10_000))
    assert work(str(one.folder), leaving=lambda: next(looks) == 8) == "interrupted"
    assert work(str(one.folder)) == "done"
    return one


def read(folder) -> EventAccumulator:
    """All that the reader finds in the folder's files, nothing left out."""
    found = EventAccumulator(str(folder), size_guidance=dict.fromkeys(("scalars", "histograms", "tensors"), 0))
    found.Reload()
    return found


def of(run, kind):
    return [event for event in run.events() if isinstance(event, kind)]


def began(run):
    return datetime.fromisoformat(of(run, Started)[0].at).timestamp()


def test_every_figure_of_the_log_is_read_back_at_its_step_and_second(run, tmp_path):
    write(run, tmp_path / "log")
    found, start, report = read(tmp_path / "log"), began(run), run.report()
    assert report
    told = {}
    for event in of(run, Step):
        for name in ("loss", "accuracy", "images_per_second"):
            told.setdefault(f"step/{name}", []).append((event.step, getattr(event, name), start + event.seconds))
    for event in of(run, Epoch):
        for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"):
            told.setdefault(f"epoch/{name}", []).append((event.epoch, getattr(event, name), start + event.seconds))
    assert [len(told[tag]) for tag in ("step/loss", "epoch/val_loss")] == [len(of(run, Step)), 3]
    for tag, values in told.items():
        assert [(one.step, one.wall_time) for one in found.Scalars(tag)] == [(step, at) for step, _, at in values]
        assert [one.value for one in found.Scalars(tag)] == [np.float32(value) for _, value, _ in values], tag
    at_the_end = {f"test/{name}": getattr(report, name) for name in ("accuracy", "balanced_accuracy", "loss")}
    for tag, value in at_the_end.items():
        assert [(one.step, one.value) for one in found.Scalars(tag)] == [(report.best_epoch, np.float32(value))]
    stuck = [f"stuck/{place}_relu_of_layer_{layer}" for place, layer in enumerate((1, 3, 3), start=1)]
    for place, tag in enumerate(stuck):
        values = [(event.epoch, np.float32(event.activities[place].stuck)) for event in of(run, Inside)]
        assert [(one.step, one.value) for one in found.Scalars(tag)] == values
    assert set(found.Tags()["scalars"]) == {*told, *at_the_end, *stuck}


def test_every_histogram_is_read_back_as_it_was_counted(run, tmp_path):
    write(run, tmp_path / "log")
    found = read(tmp_path / "log")
    kinds = {1: "conv", 2: "batch_norm", 3: "dense_block", 5: "dense"}
    told = {}
    for event in of(run, Inside):
        for one in event.histograms:
            told.setdefault(f"layer_{one.layer}_{kinds[one.layer]}/{one.what}", []).append((event.epoch, one))
    assert set(found.Tags()["histograms"]) == set(told)
    assert {tag.partition("/")[2] for tag in told} == {"weight", "bias", "gradient"}
    for tag, histograms in told.items():
        for back, (epoch, one) in zip(found.Histograms(tag), histograms, strict=True):
            value = back.histogram_value
            assert (back.step, value.min, value.max) == (epoch, one.low, one.high)
            assert (value.num, tuple(value.bucket)) == (sum(one.counts), one.counts)
            width = (one.high - one.low) / len(one.counts)
            limits = [one.low + width * number for number in range(1, len(one.counts) + 1)]
            assert value.bucket_limit == pytest.approx(limits)
            assert value.bucket_limit[-1] == one.high


def test_the_spec_is_read_back_as_hyperparameters(run, tmp_path):
    write(run, tmp_path / "log")
    content = read(tmp_path / "log").SummaryMetadata(SESSION_START_INFO_TAG).plugin_data.content
    hparams = HParamsPluginData.FromString(content).session_start_info.hparams
    found = {name: getattr(value, value.WhichOneof("kind")) for name, value in hparams.items()}
    assert checked(found) == run.spec


def test_the_zip_holds_the_same_log_in_a_folder_of_the_runs_name(run, tmp_path):
    with zipfile.ZipFile(io.BytesIO(packed(run, "tensorboard").content)) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {run.name}
        archive.extractall(tmp_path)
    assert [one.step for one in read(tmp_path / run.name).Scalars("epoch/val_loss")] == [1, 2, 3]


def test_a_log_is_written_by_the_command_while_the_run_is_not_done_and_never_over_another(home, tmp_path, capsys):
    run = create(checked(FIELDS))
    command = ["export", run.name, "--as", "tensorboard", "--out", str(tmp_path / "out"), "--json"]
    assert main(command) == 1
    assert run.name in capsys.readouterr().err
    with pytest.raises(Refusal, match="log_empty"):
        packed(run, "tensorboard")
    looks = iter(range(10_000))
    assert work(str(run.folder), leaving=lambda: next(looks) == 8) == "interrupted"
    assert main(command) == 0
    folder = tmp_path / "out"
    assert json.loads(capsys.readouterr().out)["path"] == str(folder)
    found = read(folder)
    assert [one.step for one in found.Scalars("epoch/val_loss")] == [1]
    assert not [tag for tag in found.Tags()["scalars"] if tag.startswith("test/")]
    before = sorted(path.name for path in folder.iterdir())
    assert main(command) == 1
    assert "--out" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == before
