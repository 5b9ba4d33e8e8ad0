"""The weights of past epochs: which are kept, what they answer, and that nothing of it changes or breaks a run."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from core import store, words
from core.__main__ import main
from core.datasets import dataset
from core.events import Epoch, Snapshot, Started, kept_snapshots
from core.images.splits import choose
from core.models.model import open_model, shown_splits
from core.models.snapshots import answers_at, open_at, snapshots
from core.refusal import Refusal
from core.spec import checked
from core.store import Run, create
from core.training.snapshots import FIRST, MOST, MOST_BYTES, Twin, dropped
from core.work import work
from tests.disk import CannotMountError, full, small_disk
from tests.driver import ROOT

LENET = {"architecture": "lenet"}
BATCH_NORM = {
    "layers": "conv(4, 3), batch_norm, activation(relu), max_pool(2), flatten, dense(16), dropout(0.5), dense(classes)",
}


def new(*, keep: bool = True, **fields) -> Run:
    """A queued run on `tiny`: 5 steps an epoch."""
    values = {"data": "tiny", "split": "official", "architecture": "mlp", "batch_size": 16, "epochs": 3} | fields
    return create(checked(values | ({"architecture": "custom"} if "layers" in fields else {})), snapshots=keep)


def trained_run(**fields) -> Run:
    run = new(**fields)
    assert work(str(run.folder)) == "done"
    return run


def files(run: Run) -> list[str]:
    return sorted(path.name for path in run.folder.glob(f"{store.SNAPSHOT}*"))


# --- which epochs are kept --------------------------------------------------------------------------------------------


def kept_of(epochs: int, size: int, best: int = 1) -> dict[int, list[int]]:
    """The epochs kept after each of a training's `epochs`."""
    sizes, after = {0: size}, {}
    for epoch in range(1, epochs + 1):
        sizes[epoch] = size
        for gone in dropped(sizes, best):
            del sizes[gone]
        after[epoch] = sorted(sizes)
    return after


def test_of_a_long_run_the_first_ten_stay_and_the_others_are_evenly_spread_whenever_it_ends():
    best = 17
    for epoch, kept in kept_of(3_000, 100_000, best).items():
        assert len(kept) == min(epoch + 1, MOST), "none goes before its place is needed"
        assert {*range(min(epoch, FIRST) + 1), epoch} <= set(kept)
        assert best in kept or epoch < best
        later = np.diff([one for one in kept if one >= FIRST and one not in (best, epoch)])
        assert not len(later) or later.max() <= 4 * later.min(), "at most two powers of two beside each other"


@pytest.mark.parametrize("size", [MOST_BYTES // 25, MOST_BYTES // 6, MOST_BYTES // 3, MOST_BYTES // 2, MOST_BYTES])
def test_of_a_large_network_fewer_are_kept_the_first_and_the_newest_longest(size):
    for epoch, kept in kept_of(300, size).items():
        assert len(kept) == min(epoch + 1, MOST_BYTES // size)
        assert epoch in kept
        assert 0 in kept or MOST_BYTES // size == 1
    assert dropped({0: MOST_BYTES + 1}, 0) == [0], "one that is too large alone is not kept at all"


def snapshot(epoch: int, gone: tuple[int, ...] = ()) -> Snapshot:
    file = store.snapshot_name(epoch)
    return Snapshot(epoch=epoch, step=5 * epoch, val_loss=1, val_accuracy=0.5, file=file, dropped=gone)


def epoch_of(epoch: int) -> Epoch:
    numbers = dict.fromkeys(
        ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"), 0.5
    )
    return Epoch(epoch=epoch, step=5 * epoch, best_epoch=1, **numbers)


def test_an_epoch_commits_its_snapshot_and_what_was_dropped_then_stays_gone_when_a_run_falls_back():
    from tests.crash_points import started

    log = [started(0), snapshot(0), snapshot(1), epoch_of(1), snapshot(2), epoch_of(2), snapshot(3, gone=(1,))]
    assert [one.epoch for one in kept_snapshots(log)] == [0, 1, 2], "epoch 3 is not over: nothing is dropped yet"
    log.append(epoch_of(3))
    assert [one.epoch for one in kept_snapshots(log)] == [0, 2, 3]
    log.append(started(10))  # the checkpoint of epoch 3 was damaged
    assert [one.epoch for one in kept_snapshots(log)] == [0, 2], "the file of epoch 1 is gone"
    log += [snapshot(3), epoch_of(3)]
    assert [one.epoch for one in kept_snapshots(log)] == [0, 2, 3]


# --- what they answer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [LENET, BATCH_NORM, {"architecture": "mlp", "learning_rate": 0.05}], ids=str)
def test_each_epochs_matrix_is_the_logged_val_accuracy_and_its_model_gives_these_answers(home, fields):
    run = trained_run(**fields)
    logged = {event.epoch: (event.val_accuracy, event.val_loss) for event in run.events(Epoch)}
    val = choose(run.spec, dataset("tiny").load()).val
    assert val
    assert [one.epoch for one in snapshots(run)] == [0, 1, 2, 3]
    for one in snapshots(run):
        found, model = answers_at(run, one.epoch), open_at(run, one.epoch)
        matrix = found.confusion_matrix
        assert matrix.trace() / matrix.sum() == one.val_accuracy
        assert one.epoch == 0 or (one.val_accuracy, one.val_loss) == logged[one.epoch]
        assert (found.labels == val.labels).all()
        assert (model.probabilities(val.images).argmax(axis=1) == found.predicted).all()
        assert (model.epoch, model.done) == (one.epoch, True)


def test_weights_are_halved_where_that_changes_no_answer_on_val_and_only_there(home):
    import torch

    run = trained_run()
    assert {one.precision for one in snapshots(run)[1:]} == {"float16"}
    # On a network whose classes differ by less than float16 can tell, the answers would change.
    from core.training.snapshots import Twin, precision_of
    from core.training.train import Data, ValAnswers, new_model

    model = new_model(run.spec, (1, 28, 28), 4).eval()
    weights = model.state_dict()
    last = [name for name in weights if name.startswith("layers.")][-2:]
    for name in last:
        weights[name].copy_(weights[name][:1].clone().expand_as(weights[name]))
    weights[last[1]].add_(torch.tensor([0.0, 1e-6, 2e-6, -1e-6]))
    images, labels = torch.randint(0, 256, (500, 1, 28, 28), dtype=torch.uint8), torch.zeros(500, dtype=torch.int64)
    with torch.inference_mode():
        answers = ValAnswers.of([model(images)])
    arrays = Twin(model).arrays_of(weights, Data(images, labels, images, labels), answers)
    assert precision_of(arrays) == "float32"
    assert all(torch.equal(arrays[f"model.{name}"], value) for name, value in weights.items())


def test_the_initial_weights_are_those_of_the_seed(home):
    import torch

    from core.training.train import initial_model

    run = trained_run(seed=3)
    initial, kept = initial_model(run.spec, (1, 28, 28), 4).state_dict(), open_at(run, 0).module.state_dict()
    for name, value in initial.items():
        if name.startswith("layers."):
            assert torch.equal(value.to(torch.float16).float(), kept[name])


# --- they change nothing, and break nothing ---------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [LENET, BATCH_NORM], ids=str)
def test_a_run_ends_with_the_same_bits_with_and_without_them(home, fields):
    kept, unkept = trained_run(**fields), trained_run(keep=False, **fields)
    assert (len(files(kept)), len(files(unkept)), snapshots(unkept)) == (4, 0, [])
    reports = [run.report() for run in (kept, unkept)]
    for what in ("model_sha256", "predictions_sha256", "accuracy", "loss", "best_epoch"):
        assert getattr(reports[0], what) == getattr(reports[1], what), what
    both = [[(one.train_loss, one.val_loss) for one in run.events(Epoch)] for run in (kept, unkept)]
    assert both[0] == both[1]


@pytest.mark.slow
def test_what_is_switched_off_stays_off_when_the_run_is_paused_and_resumed(home, driver):
    run = new(keep=False)
    run.ask("pause")
    driver.work(run, {3: "run", 8: "leave"})
    assert not run.control().snapshots
    driver.work(run)
    assert (run.status(), files(run), run.events(Snapshot)) == ("done", [], [])


def test_a_run_that_is_training_has_those_of_its_epochs_so_far(home):
    run, seen = new(), []

    def look(event) -> None:
        seen.append((event.event, [one.epoch for one in snapshots(run)]))

    assert work(str(run.folder), tell=look) == "done"
    after_epochs = [epochs for kind, epochs in seen if kind == "epoch"]
    assert after_epochs == [[0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_a_damaged_or_missing_file_is_one_sentence_and_the_other_epochs_stay(home):
    run = trained_run()
    path = run.folder / store.snapshot_name(2)
    whole = path.read_bytes()
    wrong_shapes = run.save("other.safetensors", {"model.scale.scale": np_tensor([1.0])})
    others = (run.folder / "other.safetensors").read_bytes()
    for content in (None, b"", whole[:-1], whole[:100] + bytes([whole[100] ^ 4]) + whole[101:], others):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        for read in (open_at, answers_at):
            with pytest.raises(Refusal) as caught:
                read(run, 2)
            assert caught.value.key == "error.snapshot_damaged"
            for language in words.languages():
                said = words.text(language, caught.value.key, **caught.value.slots)
                assert run.name in said
                assert path.name in said
        assert [one.epoch for one in snapshots(run)] == [0, 1, 2, 3]
        assert open_at(run, 3).epoch == 3
        assert answers_at(run, 1).classes == 4
        assert run.facts()["status"] == "done"
    # As well committed by a stranger's log, with its own sha256.
    event = next(one for one in snapshots(run) if one.epoch == 2)
    for change in ({"file": "other.safetensors", "sha256": wrong_shapes}, {"file": "spec.json"}):
        copied = Run(shutil.copytree(run.folder, run.folder.with_name(f"copied-{len(change)}")))
        copied.append(event.model_copy(update=change))
        copied.append(next(one for one in run.events(Epoch) if one.epoch == 2))
        for read in (open_at, answers_at):
            with pytest.raises(Refusal, match="snapshot_damaged"):
                read(copied, 2)


def np_tensor(values):
    import torch

    return torch.tensor(values)


def test_an_epoch_that_was_not_kept_is_refused_in_words_and_runs_of_earlier_versions_have_none(home):
    run = trained_run()
    for read in (open_at, answers_at):
        with pytest.raises(Refusal, match="no_snapshot run="):
            read(run, 4)
    old = next(run for run in store.runs(ROOT / "models_store") if run.is_done())
    assert snapshots(old) == []
    for read in (open_at, answers_at):
        with pytest.raises(Refusal, match="no_snapshots run="):
            read(old, 1)


def test_an_epoch_whose_file_cannot_be_written_is_left_out_and_the_training_goes_on(home):
    run = new()
    (run.folder / store.snapshot_name(2)).mkdir()  # on which the replacement fails, as on a full disk
    assert work(str(run.folder)) == "done"
    assert [one.epoch for one in snapshots(run)] == [0, 1, 3]
    assert [one.epoch for one in run.events(Snapshot) if not one.file] == [2]
    assert not list(run.folder.glob("*.part"))


def test_where_there_is_no_memory_for_one_the_training_goes_on_without(home, monkeypatch):
    whole, real, made = trained_run(), Twin.arrays_of, []

    def arrays_of(*arguments):
        if made:
            raise MemoryError
        made.append(real(*arguments))
        return made[0]

    monkeypatch.setattr(Twin, "arrays_of", arrays_of)
    short = trained_run()
    assert [one.epoch for one in snapshots(short)] == [0]
    assert short.report().model_sha256 == whole.report().model_sha256


def test_on_a_disk_with_room_for_checkpoints_alone_a_run_is_done_without_them(home, tmp_path, monkeypatch):
    try:
        with small_disk(tmp_path / "small", 4) as disk:
            monkeypatch.setenv("BANCADA_STORE", str(disk))
            run = new(layers="flatten, dense(64), dense(classes)")  # 51,000 parameters, checkpoints of 0.6 MB
            with full(disk, spare=2_000_000):
                assert work(str(run.folder)) == "done"
            assert 1 not in [one.epoch for one in snapshots(run)]
    except CannotMountError as error:
        pytest.skip(str(error))


@pytest.mark.skipif(os.name != "posix", reason="the driver forks")
def test_a_run_killed_at_any_of_many_moments_loses_none_and_has_no_half_one(home, driver):
    run, before, looks = new(epochs=6), [], 0
    while not run.report():
        looks += 3
        driver.work(run, {looks % 13 + 7: "kill"})
        kept = snapshots(run)
        assert [one.epoch for one in kept][: len(before)] == before
        assert len(kept) == 1 + len(run.events(Epoch))
        for one in kept:
            assert open_at(run, one.epoch).epoch == one.epoch
        before = [one.epoch for one in kept]
    assert files(run) == [one.file for one in snapshots(run)]
    assert before == list(range(7))


def test_files_that_no_event_names_are_removed_and_a_deleted_run_takes_all_with_it(home, driver):
    run = new()
    driver.work(run, {4: "leave"})
    for name in (store.snapshot_name(77), ".snapshot-00001.safetensors.ab12.part"):
        (run.folder / name).write_bytes(b"half")
    driver.work(run)
    assert files(run) == [one.file for one in snapshots(run)]
    assert not list(run.folder.glob("*.part"))
    run.delete()
    assert not run.folder.exists()


def test_the_list_and_the_answers_import_no_torch(home):
    run = trained_run()
    program = (
        "import pathlib, sys\nfrom core.models.snapshots import answers_at, snapshots\nfrom core.store import Run\n"
        "run = Run(pathlib.Path(sys.argv[1]))\n"
        "print([answers_at(run, one.epoch).confusion_matrix.sum() == 20 for one in snapshots(run)].count(True))\n"
        "assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", program, str(run.folder)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "4\n"


def test_a_resumed_run_of_an_earlier_version_begins_with_its_next_epoch(home, driver):
    run = new()
    driver.work(run, {9: "leave"})  # after its first epoch
    log = run.folder / "events.jsonl"
    lines = [line for line in log.read_bytes().splitlines(keepends=True) if b'"event":"snapshot"' not in line]
    log.write_bytes(b"".join(lines))
    driver.work(run)
    assert run.status() == "done"
    assert run.events(Started)[-1].epoch == 1
    assert [one.epoch for one in snapshots(run)] == [2, 3]
    assert files(run) == [one.file for one in snapshots(run)]


def test_until_a_run_is_done_no_test_image_is_shown_and_its_model_names_the_step_of_its_weights(home, driver, capsys):
    for split, shown in (("official", ("val",)), ("test", ())):
        run = new(split=split)
        driver.work(run, {10: "leave"})
        model = open_model(run)
        assert (model.epoch, open_at(run, model.epoch).step) == (1, 5)
        assert model.step > 5, "within the second epoch"
        assert shown_splits(run) == shown
        for part in ("val", "test"):
            code = main(["inside", run.name, f"{part}:0", "--out", str(home / f"{split}-{part}"), "--json"])
            said = capsys.readouterr()
            assert code == (part not in shown)
            assert f'"step": {model.step}' in said.out if part in shown else "not finished" in said.err
        driver.work(run)
        assert shown_splits(run) == ("val", "test")


def test_of_a_run_that_was_deleted_no_epoch_is_opened_and_this_is_said(home):
    run = trained_run()
    run.delete()
    for read in (lambda: open_at(run, 0), lambda: answers_at(run, 0), lambda: open_model(run)):
        with pytest.raises(Refusal, match="run_unknown"):
            read()
