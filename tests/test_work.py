"""One worker: it trains, obeys, breaks off, is killed, and goes on as if nothing had been."""

import itertools
import json
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from core.events import Checkpoint, Epoch, Failure, Started, Step, to_line
from core.measures.answers import stored_answers
from core.recipes.results import of_run
from core.refusal import Refusal
from core.search import known_runs
from core.spec import RunSpec
from core.store import Run, create
from core.training.train import LEAST_STEPS_LOST, below
from core.work import work
from tests.disk import CannotMountError, full, read_only, small_disk
from tests.driver import KILLED, ROOT, outcome

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the driver forks")

FINISHED = {"spec.json", "events.jsonl", "model.safetensors", "predictions.safetensors", "lock"}
LOOKS = 1 + 5 + 1 + 1  # of an epoch of `tiny`: before it, 5 steps, val, the epoch's end
EVERYTHING = {
    "layers": "conv(4, 3), batch_norm, activation(relu), max_pool(2), flatten, dense(16), dropout(0.5), dense(classes)",
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "schedule": "one_cycle",
    "normalisation": "standard",
    "patience": 2,
    "epochs": 4,
}


def new(*, test: bool = True, **fields) -> Run:
    """A queued run on `tiny`: 5 steps an epoch; `test`: whether its test split is read at the end."""
    values = {"data": "tiny", "split": "official", "architecture": "mlp", "batch_size": 16, "epochs": 2} | fields
    if "layers" in fields:
        values["architecture"] = "custom"
    return create(RunSpec(**values), test=test)


def events_of(run: Run, kind: type) -> list:
    return [event for event in run.events() if isinstance(event, kind)]


def names_in(run: Run) -> set[str]:
    return {path.name for path in run.folder.iterdir()}


# --- one worker -------------------------------------------------------------------------------------------------------


def test_a_queued_run_is_done_when_work_returns_and_its_folder_holds_nothing_half_written(home):
    run, told = new(), []
    assert run.status() == "queued"
    assert work(str(run.folder), tell=told.append) == "done"
    assert names_in(run) == FINISHED | {f"snapshot-{epoch:05d}.safetensors" for epoch in (0, 1, 2)}
    assert told == run.events()
    assert [event.epoch for event in events_of(run, Epoch)] == [1, 2]
    assert events_of(run, Started)[0].threads == 1
    report = run.report()
    assert report
    assert report.n == 30
    assert set(run.load(report.predictions, report.predictions_sha256)[0]) == {
        *("probabilities", "labels"),
        *("val_probabilities", "val_labels"),
    }


@pytest.mark.parametrize(
    ("fields", "use"),
    [({}, "once"), ({"split": "test", "best_by": "last"}, "watched"), ({"split": "test"}, "selected")],
    ids=str,
)
def test_a_report_says_what_the_test_split_was_used_for(home, fields, use):
    run = new(**fields)
    assert work(str(run.folder)) == "done"
    report, epochs = run.report(), events_of(run, Epoch)
    assert report
    assert report.test_use == use
    kept = epochs[report.best_epoch - 1]
    assert (kept.val_accuracy == report.accuracy) or use == "once"
    assert (stored_answers(run, "val") is None) == (use != "once"), "answers on val that are none of its own"


def test_a_done_run_is_left_alone(home):
    run = new(epochs=1)
    work(str(run.folder))
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    assert work(str(run.folder)) == "done"
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before


def test_a_run_that_another_process_holds_is_left_alone(home):
    run = new()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from core.store import Run\n"
            "with Run(pathlib.Path(sys.argv[1])).hold() as held: print(held, flush=True); sys.stdin.read()",
            str(run.folder),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "True\n"
        assert work(str(run.folder)) == "running"
        assert names_in(run) == {"spec.json", "lock"}
        holder.kill()
    assert run.status() == "queued"


def test_a_deleted_or_damaged_run_is_refused_and_nothing_is_written(home):
    run = new()
    folder = run.folder
    run.delete()
    with pytest.raises(Refusal, match="run_damaged"):
        work(str(folder))
    assert not folder.exists()
    run = new()
    (run.folder / "spec.json").write_text("{")
    with pytest.raises(Refusal, match="run_damaged"):
        work(str(run.folder))
    assert names_in(run) == {"spec.json"}


def test_what_goes_wrong_is_a_failure_event_and_the_run_can_be_taken_up_again(home, tiny_data, monkeypatch):
    run = new()
    monkeypatch.setenv("BANCADA_DATA", str(home))
    assert work(str(run.folder)) == "failed"
    failure = run.last(Failure)
    assert failure
    assert failure.error == "error.data_unknown"
    assert "Traceback" in failure.trace
    monkeypatch.setenv("BANCADA_DATA", str(tiny_data))
    assert work(str(run.folder)) == "done"


def test_a_run_that_diverges_fails_with_the_step_and_no_line_that_is_not_json(home):
    run = new(optimizer="sgd", learning_rate=1e6, layers="flatten, dense(32), dense(classes)")
    assert work(str(run.folder)) == "failed"
    failure = run.last(Failure)
    assert failure
    assert failure.error == "error.diverged"
    assert failure.slots["step"] <= 20
    for line in (run.folder / "events.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_a_run_that_was_stopped_as_lost_goes_on_from_there_and_is_not_stopped_at_once_again(home):
    layers = "flatten, dense(8, activation=sigmoid), dense(classes)"
    run = new(optimizer="sgd", learning_rate=1e4, epochs=60, layers=layers)
    assert work(str(run.folder)) == "failed"
    first, saved = run.last(Failure), run.last(Checkpoint)
    assert first
    assert saved
    assert (first.error, first.step) == ("error.lost", saved.step)
    assert saved.step >= LEAST_STEPS_LOST
    assert work(str(run.folder)) == "failed"
    second, (*_, again) = run.last(Failure), run.events(Started)
    assert second
    assert again.step == first.step, "no step is repeated"
    assert again.died_at is None
    assert second.step + 1 >= first.step + LEAST_STEPS_LOST
    assert [event.step for event in run.events(Epoch)] == list(range(5, second.step, 5)), "no epoch is missing"


# --- broken off and taken up again ------------------------------------------------------------------------------------


# Together they have every kind of layer, and dropout and batch norm, which have a state beside the weights.
@pytest.mark.parametrize("architecture", ["lenet-sigmoid", "cnn-four", "dense-net"])
def test_killed_twice_and_taken_up_again_equals_unbroken(home, driver, architecture):
    fields = {"architecture": architecture, "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01}
    unbroken, killed = new(**fields), new(**fields)
    assert driver.work(unbroken) == [0]
    assert driver.work(killed, {LOOKS + 2: "kill"}) == [KILLED]  # in the second epoch
    assert killed.status() == "interrupted"
    assert driver.work(killed, {4: "leave"}) == [0]  # in its middle
    assert killed.status() == "interrupted"
    assert driver.work(killed) == [0]
    assert [event.step for event in events_of(killed, Started)] == [0, 5, 8]
    assert outcome(killed) == outcome(unbroken)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, tiny_data, driver) -> dict[str, object]:
    """The outcome of EVERYTHING, undisturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANCADA_STORE", str(tmp_path_factory.mktemp("unbroken")))
        patch.setenv("BANCADA_DATA", str(tiny_data))
        patch.setenv("BANCADA_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("BANCADA_DEVICE", "cpu")
        patch.setenv("BANCADA_THREADS", "1")
        run = new(**EVERYTHING)
        driver.work(run)
        return outcome(run)


@pytest.mark.parametrize("optimizer", [{"optimizer": "sgd"}, {"optimizer": "adam", "defaults": "keras"}])
def test_optimizers_with_and_without_a_state_go_on_as_they_were(home, driver, optimizer):
    whole, broken = new(**optimizer), new(**optimizer)
    driver.work(whole)
    driver.work(broken, {4: "leave"})
    driver.work(broken)
    assert outcome(broken) == outcome(whole)


def test_killed_at_random_moments_equals_unbroken(home, driver, unbroken):
    clock = time.monotonic()
    driver.work(new(**EVERYTHING))
    whole = time.monotonic() - clock
    run, generator, kills = new(**EVERYTHING), random.Random(), 0
    while not run.report() or not kills:
        if run.report():  # the machine has become quicker than it was for the first run
            run, whole = new(**EVERYTHING), whole / 2
        kills += driver.work(run, kill_after=generator.uniform(0, 0.7) * whole) == [KILLED]
        if kills == 12:
            driver.work(run)
    assert kills
    assert outcome(run) == unbroken


def test_a_run_trained_for_a_search_reads_its_test_split_only_when_asked_and_then_equals_unbroken(
    home, driver, unbroken
):
    run = new(test=False, **EVERYTHING)
    for acts in ({LOOKS + 3: "kill"}, {LOOKS: "leave"}, {}):  # the request outlives what breaks the run off
        driver.work(run, acts)
    assert run.status() == run.facts()["status"] == "trained"
    assert run.is_trained()
    assert not run.is_done()
    assert run.report() is None
    assert FINISHED & names_in(run) == {"spec.json", "events.jsonl", "lock"}, "no answer to a test image"
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    run.ask("run")  # as *Resume* does
    driver.work(run)
    assert {path.name: path.read_bytes() for path in run.folder.iterdir() if path.name != "control"} == {
        name: data for name, data in before.items() if name != "control"
    }, "the training has ended"
    run.ask("run", test=True)
    assert run.status() == "interrupted"
    driver.work(run, {1: "kill"})
    assert (run.status(), run.is_trained()) == ("interrupted", True)
    driver.work(run)
    assert outcome(run) == unbroken
    assert names_in(run) == FINISHED | {"control"} | {one.file for one in run.snapshots()}


@pytest.mark.parametrize("look", [1, 2, LOOKS - 2, LOOKS - 1, LOOKS, LOOKS + 3])
def test_a_worker_that_leaves_saves_where_it_is_and_the_next_one_goes_on_from_there(home, driver, unbroken, look):
    run = new(**EVERYTHING)
    assert driver.work(run, {look: "leave"}) == [0]
    assert run.status() == "interrupted"
    last = run.checkpoints()[-1]
    assert isinstance(run.events()[-1], Epoch | Checkpoint)
    driver.work(run)
    assert events_of(run, Started)[1].step == last.step
    assert outcome(run) == unbroken


def test_paused_in_mid_epoch_and_resumed_equals_unbroken(home, driver, unbroken):
    run = new(**EVERYTHING)
    driver.work(run, {3: "pause", 6: "run", LOOKS + 6: "pause", LOOKS + 9: "run"})
    assert [event.step for event in events_of(run, Checkpoint)] == [3, 9]  # one batch after it was asked
    assert outcome(run) == unbroken


def test_stopped_in_mid_epoch_it_is_left_alone_until_it_is_asked_to_go_on(home, driver, unbroken):
    run = new(**EVERYTHING)
    driver.work(run, {3: "stop"})
    assert run.status() == "stopped"
    assert [event.step for event in events_of(run, Checkpoint)] == [3]
    lines = (run.folder / "events.jsonl").read_bytes()
    driver.work(run)
    assert (run.folder / "events.jsonl").read_bytes() == lines
    run.ask("run")
    assert run.status() == "interrupted"
    driver.work(run)
    assert outcome(run) == unbroken


def test_batch_by_batch_and_epoch_by_epoch_equals_unbroken(home, driver, unbroken):
    run = new(**EVERYTHING)
    run.ask("batch")
    driver.work(run, {5: "batch", 10: "batch", 15: "epoch", 30: "epoch", 45: "run"})
    assert [event.step for event in events_of(run, Checkpoint)] == [1, 2, 3]
    assert [event.epoch for event in events_of(run, Epoch)] == [1, 2, 3, 4]
    assert outcome(run) == unbroken


@pytest.mark.parametrize(
    ("wanted", "step", "epoch"), [("pause", 0, 0), ("batch", 1, 0), ("epoch", 5, 1), ("stop", None, None)]
)
def test_what_is_asked_before_the_worker_starts_is_obeyed(home, driver, wanted, step, epoch):
    run = new()
    run.ask(wanted)
    driver.work(run, {LOOKS + 4: "leave"})
    assert [(event.step, event.epoch) for event in run.checkpoints()] == ([(step, epoch)] if step is not None else [])
    assert run.status() == ("stopped" if wanted == "stop" else "interrupted")


def test_one_batch_asked_of_a_resumed_run_is_one_batch(home, driver):
    run = new()
    driver.work(run, {4: "leave"})
    run.ask("batch")
    driver.work(run, {6: "leave"})
    assert [event.step for event in run.checkpoints()] == [3, 4]


def test_a_batch_of_its_own_is_told_with_its_own_loss_and_the_steps_before_it_are_not_lost(home, driver):
    one, whole = new(), new()
    driver.work(one, {3: "batch", 8: "leave"})
    assert [event.step for event in events_of(one, Step)] == [1, 3, 4]
    driver.work(whole, {LOOKS + 1: "leave"})
    (first, rest) = events_of(whole, Step)
    assert (first.step, rest.step) == (1, 5)
    one.ask("run")
    driver.work(one, {4: "leave"})
    told = events_of(one, Step)
    assert [event.step for event in told] == [1, 3, 4, 5]
    mean = sum(event.loss * images for event, images in zip(told[1:], (2, 1, 1), strict=True)) / 4
    assert mean == pytest.approx(rest.loss, rel=0.05)  # the last batch may be smaller than the others


@pytest.mark.parametrize("left", [LOOKS + 2, LOOKS - 1])
def test_a_run_that_is_finished_by_hand_is_its_best_epoch_and_repeats_no_spec(home, driver, left):
    run = new()
    driver.work(run, {2: "leave"})
    with pytest.raises(Refusal, match="no_epoch"):
        run.finish()
    driver.work(run, {left: "stop"})
    (epoch,) = events_of(run, Epoch)
    weights = below("model.", run.load(epoch.checkpoint, epoch.sha256)[0])
    run.finish()
    driver.work(run)
    report = run.report()
    assert report
    assert (report.stop, report.epochs, report.best_epoch, report.is_by_hand) == ("by_hand", 1, 1, True)
    kept = run.load(report.model, report.model_sha256)[0]
    assert all(torch.equal(kept[name], weights[name]) for name in kept)
    assert known_runs([run]) == {}, "its spec is still to be trained"
    assert of_run(run, ("000-a", "honest")) is None
    lines = (run.folder / "events.jsonl").read_bytes()
    driver.work(run)
    assert (run.folder / "events.jsonl").read_bytes() == lines


def test_what_is_asked_while_the_test_is_read_leaves_a_run_ended_by_hand(home, driver):
    run, looks = new(), []
    driver.work(run, {LOOKS + 2: "stop"})
    assert events_of(run, Epoch)
    run.finish()

    def leaving() -> bool:
        looks.append(run.ask("pause") if looks else None)  # from the second look on, the test is being read
        return False

    assert work(str(run.folder), leaving=leaving) == "done"
    assert len(looks) > 1
    report = run.report()
    assert report
    assert report.is_by_hand


def test_a_batch_asked_while_the_worker_runs_is_one_batch_and_then_a_pause(home, driver):
    run = new()
    driver.work(run, {3: "batch", 8: "leave"})
    assert [event.step for event in run.checkpoints()] == [4]  # asked after 2; seen after 3; one more


@pytest.mark.parametrize("damaged", [1, 2])
def test_a_flipped_bit_in_the_newest_checkpoints_costs_time_but_no_bit_of_the_result(home, driver, unbroken, damaged):
    run = new(**EVERYTHING)
    driver.work(run, {3 * LOOKS + 1: "leave"})
    saved = run.checkpoints()
    for event in saved[-damaged:]:
        damage(run, event.checkpoint)
    driver.work(run)
    assert events_of(run, Started)[1].step < saved[-1].step
    assert outcome(run) == unbroken


def damage(run: Run, name: str) -> None:
    data = bytearray((run.folder / name).read_bytes())
    data[len(data) // 2] ^= 16
    (run.folder / name).write_bytes(data)


@pytest.mark.parametrize("best_by", ["val_loss", "val_accuracy"])
def test_a_damaged_checkpoint_of_the_best_epoch_costs_that_epoch_and_not_the_run(home, best_by):
    fields = {"architecture": "lenet", "optimizer": "sgd", "learning_rate": 0.4}  # so high that late epochs get worse
    fields |= {"epochs": 5, "best_by": best_by}
    whole, run = new(**fields), new(**fields)
    assert work(str(whole.folder)) == "done"
    report, epochs = whole.report(), events_of(whole, Epoch)
    assert report
    best = report.best_epoch
    assert best < 5, "of a best epoch that is the last one there is nothing to be lost"
    assert report.lost_epoch == 0

    def damage_the_best(event) -> None:
        if isinstance(event, Epoch) and event.epoch == 5:
            damage(run, epochs[best - 1].checkpoint)

    assert work(str(run.folder), tell=damage_the_best) == "done"
    report, best_of_the_others = (
        run.report(),
        max(
            (one for one in epochs[3:] if one.epoch != best),  # the newest two are kept beside the best one
            key=lambda one: (one.val_accuracy if best_by == "val_accuracy" else -one.val_loss, one.epoch),
        ),
    )
    assert report
    assert (report.lost_epoch, report.best_epoch) == (best, best_of_the_others.epoch)
    val = stored_answers(run, "val")
    assert val
    assert val.is_right.mean() == pytest.approx(best_of_the_others.val_accuracy)


@pytest.mark.parametrize("look", [1, 3, LOOKS - 2, LOOKS - 1, LOOKS + 3])
@pytest.mark.parametrize("others_look", [1, LOOKS + 2, 100])
def test_a_worker_that_has_lost_its_run_to_another_writes_nothing_any_more(home, look, others_look):
    """It stands still at its `look`, its lock is lost meanwhile, and another worker does `others_look` looks."""
    run, looks, others, between = new(epochs=3), itertools.count(1), itertools.count(1), []

    def stands_still() -> bool:
        if next(looks) == look:
            (run.folder / "lock").unlink()
            work(str(run.folder), leaving=lambda: next(others) >= others_look)
            between.append({path.name: path.read_bytes() for path in run.folder.iterdir()})
        return False

    status = work(str(run.folder), leaving=stands_still)
    assert [{path.name: path.read_bytes() for path in run.folder.iterdir()}] == between
    assert status == ("done" if others_look == 100 else "interrupted")
    assert work(str(run.folder)) == "done"


def test_a_run_keeps_its_number_of_threads_and_its_bits_on_another_setting(home, driver):
    fields = {"architecture": "lenet", "batch_size": 64}
    whole, broken = new(**fields), new(**fields)
    driver.work(whole, BANCADA_THREADS="2")
    driver.work(broken, {3: "leave"}, BANCADA_THREADS="2")
    driver.work(broken, BANCADA_THREADS="1")
    assert [event.threads for event in events_of(broken, Started)] == [2, 2]
    assert outcome(broken) == outcome(whole)


def test_a_run_keeps_its_precision_where_another_would_be_chosen(home, driver):
    run = new()
    driver.work(run, {3: "leave"})
    log = run.folder / "events.jsonl"
    events = run.events()
    assert isinstance(events[0], Started)
    assert events[0].precision == "float32"
    events[0] = events[0].model_copy(update={"precision": "bfloat16"})  # as on another machine
    log.write_text("".join(f"{to_line(event)}\n" for event in events))
    driver.work(run)
    assert [event.precision for event in events_of(run, Started)] == ["bfloat16", "bfloat16"]
    assert run.status() == "done"


def test_a_run_that_was_made_unchecked_is_refused_before_its_first_step(home):
    run = new(layers="flatten, batch_norm, dense(classes)", batch_size=23)  # 70 images: three batches and one image
    assert work(str(run.folder)) == "failed"
    (failure,) = run.events()
    assert isinstance(failure, Failure)
    assert (failure.error, failure.slots) == ("error.batch_of_one", {"batch_size": 23, "count": 70})


def test_a_run_is_not_resumed_with_other_images_than_it_began_with(home, tmp_path, tiny_data, monkeypatch):
    run, seen = new(), []
    work(str(run.folder), leaving=lambda: bool(seen), tell=lambda event: event.event == "epoch" and seen.append(event))
    with np.load(tiny_data / "tiny.npz") as tiny:
        arrays = {name: tiny[name][5:] if name.startswith("train") else tiny[name] for name in tiny.files}
    np.savez(tmp_path / "tiny.npz", **arrays)
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path))
    assert work(str(run.folder)) == "failed"
    failure = run.last(Failure)
    assert failure
    assert (failure.error, failure.slots) == ("error.other_splits", {"data": "tiny", "run": run.name})
    monkeypatch.setenv("BANCADA_DATA", str(tiny_data))
    assert work(str(run.folder)) == "done"


# --- a full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path, home, monkeypatch):
    """A store on a disk of 3 MiB."""
    try:
        with small_disk(tmp_path / "small") as folder:
            monkeypatch.setenv("BANCADA_STORE", str(folder))
            yield folder
    except CannotMountError as error:
        pytest.skip(str(error))


def test_a_full_disk_fails_the_run_leaves_its_checkpoint_and_lets_it_go_on_when_there_is_room(disk, driver):
    fields = {"epochs": 3, "layers": "flatten, dense(64), dense(classes)"}  # checkpoints of 0.6 MB
    whole, run = new(**fields), new(**fields)
    driver.work(whole)
    driver.work(run, {LOOKS + 2: "leave"})
    before = run.checkpoints()
    with full(disk):
        driver.work(run)
        assert run.status() in ("failed", "interrupted")
        failure = run.last(Failure)
        assert failure is None or failure.error == "error.disk_full"
        assert not list(run.folder.glob("*.part"))
        assert run.checkpoints() == before
        for event in before:
            run.load(event.checkpoint, event.sha256)
        with pytest.raises(Refusal, match="store_write"):
            new(layers=", ".join(["flatten", *["dense(9)"] * 40, "dense(classes)"]))
        assert not list(disk.glob(".new-*"))
    driver.work(run)
    assert outcome(run)["events"] == outcome(whole)["events"]  # and not its snapshots, for which there was no room


def test_what_asks_renames_or_trains_on_a_read_only_disk_is_refused_in_words_and_changes_nothing(disk, driver):
    run, done = new(), new()
    driver.work(done)
    driver.work(run, {3: "leave"})
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    with read_only(disk):
        for write in (
            lambda: run.ask("stop"),
            lambda: run.relabel(note="seen"),
            run.delete,
            new,
            lambda: work(str(run.folder)),
            lambda: work(str(done.folder)),
        ):
            with pytest.raises(Refusal, match="store_write"):
                write()
    assert {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()} == before


# --- odd folders ------------------------------------------------------------------------------------------------------


def test_a_store_whose_name_has_spaces_letters_and_150_signs_works_as_any(home, tmp_path, monkeypatch, driver):
    odd = tmp_path / "Klasse 7b - Übung 名前 😀" / ("x" * 150)
    monkeypatch.setenv("BANCADA_STORE", str(odd))
    run = new(epochs=1)
    driver.work(run)
    assert run.status() == "done"
    assert run.folder.parent == odd


def test_a_failure_says_what_the_system_said_whatever_is_in_the_path(home):
    from core.work import _failure

    run = create(RunSpec(data="tiny", split="official", architecture="mlp"))
    for number, key in ((28, "error.disk_full"), (13, "error.store_write")):
        assert _failure(run, OSError(number, "no", "/mnt/memory-stick/x")).error == key
    assert _failure(run, MemoryError()).error == "error.out_of_memory"
    assert "caf?" in _failure(run, Refusal("error.disk_full", folder="/caf\udce9")).slots["folder"]  # pyright: ignore
