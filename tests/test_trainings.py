"""What has come of a study, what it tries next and when a run of it ends early: read from run folders alone."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from core import store
from core.__main__ import main
from core.events import Epoch, Report, Started
from core.measures.selection import decision, decision_sentence
from core.refusal import Refusal
from core.search import known_runs, settled
from core.search.importance import importance
from core.search.rules import falls_behind, is_used_up, verdict
from core.search.studies import Studies
from core.search.study import Range, every, named, study_of
from core.search.tpe import asked
from core.search.trainings import best, cost, largest, own_runs, progress_of, read_tests, rungs, spent, trainings
from core.spec import checked, next_seeds
from core.store import Label
from core.words import languages, number, text
from core.workers import Workers
from tests.browser import ROOT
from tests.conftest import wait_for
from tests.disk import CannotMountError, full, small_disk

BASE = checked({"data": "tiny", "split": "official", "layers": "flatten, dense(classes)", "epochs": 1})
LONG = BASE.model_copy(update={"epochs": 9})
FLAGS = ("--data", "tiny", "--split", "official", "--layers", "flatten, dense(classes)")
SPACE = {"learning_rate": Range(1e-4, 1.0), "batch_size": (8, 16, 32, 64)}


@pytest.fixture
def small(home, tiny_data, monkeypatch):
    """A store of the test's own, and the small data sets."""
    monkeypatch.setenv("BANCADA_DATA", str(tiny_data))


def searched(*arguments: str, code: int = 0) -> list[dict]:
    """What the command prints, as objects, without the events of the trainings."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main(["search", *arguments, "--json"]) == code
    return [line for line in map(json.loads, output.getvalue().splitlines()) if "event" not in line]


def written(run, *accuracies, stop: str | None = "epochs", seconds: float = 1.0):
    """Write the log that a training with these val accuracies would leave; each epoch takes `seconds`."""
    started = Started(
        run=run.name,
        at="2026-11-22T00:00:00+00:00",
        pid=1,
        step=0,
        epoch=0,
        device="cpu",
        device_name="cpu",
        threads=1,
        versions={},
        shape=(1, 28, 28),
        class_names={"en": ("a", "b", "c", "d")},
        counts={"train": 70, "val": 20, "test": 30},
        parameters=3140,
        steps_per_epoch=1,
    )
    run.append(started)
    for epoch, accuracy in enumerate(accuracies, 1):
        run.append(reached(epoch, accuracy, stop if epoch == len(accuracies) else None, seconds * epoch))
    return run


def reached(epoch: int, accuracy: float, stop: str | None = None, seconds: float = 1.0) -> Epoch:
    figures = {"train_loss": 1.0, "train_accuracy": 0.5, "val_loss": 1.0, "learning_rate": 0.1}
    return Epoch(
        epoch=epoch, step=epoch, val_accuracy=accuracy, seconds=seconds, best_epoch=epoch, stop=stop, **figures
    )


def answered(study, count: int, accuracy=lambda spec: 1 - abs(math.log10(spec.learning_rate) + 2) / 5):
    """Let the study have `count` runs trained one after the other, with an accuracy that their specs tell."""
    studies = Studies(at_once=1)
    for _ in range(count):
        (run,) = studies.needed(study)
        written(run, accuracy(run.spec))
    return trainings(study, store.runs())


def reported(run, stop: str = "epochs"):
    """Write the report that would follow, and what the page asks for where `stop` is by hand."""
    last = run.last(Epoch)
    report = Report(
        run=run.name,
        best_epoch=last.epoch,
        best_by="val_accuracy",
        epochs=last.epoch,
        stop=stop,
        n=30,
        test_use="once",
        accuracy=0.5,
        accuracy_interval=(0.3, 0.7),
        balanced_accuracy=0.5,
        loss=1.0,
        confusion_matrix=((15, 15, 0, 0), *3 * ((0, 0, 0, 0),)),
        seconds=last.seconds,
        processor_seconds=1.0,
        model="m",
        model_sha256="a" * 64,
        predictions="p",
        predictions_sha256="b" * 64,
        images="x",
    )
    run.append(report)
    return run


def test_a_spec_needs_no_training_if_a_run_of_it_is_done_or_at_work(small):
    specs = next_seeds(checked({"data": "tiny", "architecture": "mlp", "epochs": 2}), 5)
    runs = [store.create(spec, test=seed != 3) for seed, spec in enumerate(specs[:4])]
    assert settled(specs, store.runs()) == {}
    reported(written(runs[0], 0.5, 0.6))
    reported(written(runs[1], 0.5, stop=None), "by_hand")
    with runs[2].hold(), runs[3].hold():  # as workers would
        assert settled(specs, store.runs()) == {specs[0]: runs[0], specs[2]: runs[2]}, (
            "one does not read its test split"
        )
    assert settled(specs, store.runs()) == {specs[0]: runs[0]}
    again = reported(written(store.create(specs[0]), 0.5, 0.7))
    assert settled(specs[:1], store.runs(), lambda _: True) == {specs[0]: max(again, runs[0], key=lambda run: run.name)}


# --- tpe --------------------------------------------------------------------------------------------------------------


def test_tpe_asks_within_the_space_the_same_again_and_nears_the_optimum(small):
    study = named(BASE, "tpe", SPACE, 30)
    found = answered(study, 30)
    assert [one.number for one in found] == list(range(1, 31))
    assert len({one.spec for one in found}) == 30
    assert all(study.holds(one.spec) for one in found)
    far = [abs(math.log10(one.spec.learning_rate) + 2) for one in found]
    assert sum(far[20:]) < 0.8 * sum(far[:10]), "the first ten are drawn by chance"
    assert asked(study, found) == asked(study, trainings(study, store.runs())) not in [one.spec for one in found]
    (last,) = Studies(at_once=1).needed(study)
    assert last.control().test, "the budget is used up: the best is tested"
    assert last == best(found).run


def test_tpe_trains_each_value_of_a_narrow_range_once(small):
    study = named(BASE, "tpe", {"learning_rate": Range(0.12345, 0.1236)}, 12)
    answered(study, 12, lambda spec: spec.learning_rate)
    assert len({run.spec for run in store.runs()}) == len(store.runs()) == 12
    assert Studies(at_once=1).needed(study)[0].control().test


def test_runs_at_the_same_time_are_not_asked_for_twice_and_a_small_space_is_used_up(small):
    fields = {"learning_rate": (0.01, 0.1), "optimizer": ("sgd", "adam"), "momentum": (0.0, 0.9)}
    study = named(BASE, "tpe", fields, 20)
    assert len(every(study)) == 6, "adam has no momentum"
    studies = Studies(at_once=4)
    first = studies.needed(study)
    assert len(first) == len({run.spec for run in first}) == 4
    assert set(studies.needed(study)) == set(first), "these have not been trained yet"
    for run in first:
        written(run, 0.5)
    assert progress_of(study, trainings(study, store.runs()), spent(study, store.runs())).of == 6
    new = studies.follow(first[0])
    assert {run.spec for run in first} | {run.spec for run in new} == set(every(study))
    for run in new:
        written(run, 0.6)
    assert progress_of(study, trainings(study, store.runs()), spent(study, store.runs())).is_over
    assert asked(study, trainings(study, store.runs())) is None


def test_tpe_knows_what_others_have_trained_in_its_space_and_trains_none_of_it(small):
    study = named(BASE, "tpe", {"learning_rate": (0.01, 0.1), "batch_size": (8, 16)}, 3)
    others = [spec for spec in every(study) if spec.batch_size == 8]
    for spec in others:
        written(store.create(spec, label=Label(owner="Ana")), 0.9)
    written(store.create(BASE.model_copy(update={"learning_rate": 0.05})), 0.99)
    found = answered(study, 2, lambda _: 0.5)
    assert {one.spec for one in found} == set(every(study))
    assert {one.spec for one in found if one.is_own} == set(every(study)) - set(others)
    assert best(found).spec in others


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_tpe_search_killed_in_its_middle_goes_on_and_trains_nothing_twice(small):
    vary = ("--vary=learning_rate=0.001..1", "--vary=batch_size=8,16,32,64")
    command = [sys.executable, "-m", "core", "search", *FLAGS, "--epochs=1", *vary, "--way=tpe", "--runs=6", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: sum(run.is_trained() for run in store.runs()) >= 2, 120)
        os.kill(process.pid, signal.SIGKILL)
    done = {run.name: run.log_length() for run in store.runs() if run.is_trained()}
    assert 2 <= len(done) < 6
    (name,) = {run.label().study for run in store.runs()}
    last = searched("--continue", name)[-1]
    runs = store.runs()
    assert len(runs) == len({run.spec for run in runs}) == 6
    assert sorted(run.label().trial for run in runs) == list(range(1, 7))
    assert all(len(run.events(Epoch)) == 1 for run in runs)
    assert done.items() <= {run.name: done.get(run.name) if run.report() else run.log_length() for run in runs}.items()
    assert [run.name for run in runs if run.report()] == [last["winner"]["run"]]
    assert searched("--continue", name)[-1] == last, "nothing is left to do"
    more = searched("--continue", name, "--runs", "7")
    assert more[0]["runs"] == len(store.runs()) == 7


# --- pruning ----------------------------------------------------------------------------------------------------------


def test_the_rungs_are_thirds_of_the_epochs_and_one_in_three_passes():
    assert rungs(27) == (1, 3, 9)
    assert rungs(10) == (1, 3)
    assert rungs(2) == (1,)
    assert [falls_behind(0.5, others) for others in ([], [0.4], [0.6], [0.4, 0.6], [0.5, 0.5])] == [
        *(False, False, True, True, False)
    ]
    others = [0.1, 0.2, 0.3, 0.7, 0.8]
    assert [falls_behind(accuracy, others) for accuracy in (0.6, 0.71, 0.75)] == [True, False, False]


def test_a_run_is_compared_at_a_rung_with_the_best_that_others_had_by_then(small):
    study = named(LONG, "grid", {"learning_rate": (0.1, 0.2, 0.3, 0.4)}, prune=True)
    specs = [one.spec for one in trainings(study, store.runs())]
    runs = [store.create(spec, label=study.label(), test=False) for spec in specs]
    written(runs[0], 0.3, 0.2, 0.1, 0.9, stop=None)
    written(store.create(specs[1]), 0.99)  # of no study
    assert verdict(runs[1], reached(2, 0.1)) is None, "no rung"
    assert verdict(runs[1], reached(1, 0.4)) is None
    written(runs[1], 0.31, 0.1, stop=None)
    assert verdict(runs[1], reached(3, 0.2)) is None, "0.31 was better than the other's 0.3"
    assert verdict(runs[2], reached(1, 0.30)) == "pruned"
    assert verdict(runs[2], reached(1, 0.31)) is None, "as good as the last that passes"


def test_a_pruned_run_is_shown_counts_as_tried_and_is_never_the_winner(small):
    rates = "0.1,0.05,0.000001,0.000002,0.0000015"
    flags = (*FLAGS, "--epochs", "6", f"--vary=learning_rate={rates}", "--seed", "3", "--optimizer", "sgd")
    lines = searched(*flags, "--prune")
    pruned = [run for run in store.runs() if run.status() == "pruned"]
    assert {run.spec.learning_rate for run in pruned} >= {0.000001, 0.000002, 0.0000015}
    for run in pruned:
        assert run.is_pruned()
        assert run.is_trained()
        assert [epoch.stop for epoch in run.events(Epoch)][-1] == "pruned"
        assert len(run.events(Epoch)) in (1, 2)
        assert run.spec not in known_runs(store.runs()), "others may train it to its end"
    last = lines[-1]
    assert last["pruned"] == len(pruned)
    assert last["winner"]["run"] not in {run.name for run in pruned}
    assert not {run.name for run in pruned} & set(last["noise_band"])
    assert {line["state"] for line in lines if line.get("run") in {run.name for run in pruned}} == {"pruned"}
    before = {run.name: run.log_length() for run in store.runs()}
    assert searched("--continue", last["study"])[-1] == last
    assert before == {run.name: run.log_length() for run in store.runs()}
    study = study_of(pruned[0])
    progress = progress_of(study, trainings(study, store.runs()), spent(study, store.runs()))
    assert (progress.pruned, progress.done, progress.is_over) == (len(pruned), 5 - len(pruned), True)
    whole = named(study.base, "grid", study.varied)
    assert {one.state for one in trainings(whole, store.runs())} == {"done", "planned"}, "it prunes nothing"


# --- minutes ----------------------------------------------------------------------------------------------------------


def test_a_search_whose_minutes_are_used_up_leaves_its_run_after_an_epoch_and_goes_on_with_more(small, capfd):
    flags = (*FLAGS, "--epochs", "3", "--vary=learning_rate=0.01,0.1", "--minutes", "0.000001", "--study", "Ana's")
    lines = searched(*flags, code=1)
    (run,) = store.runs()
    assert (run.status(), len(run.events(Epoch)), lines[0]["minutes"]) == ("stopped", 1, 0.000001)
    said = capfd.readouterr().err
    assert text("en", "error.study_without_result", study=lines[0]["study"]) in said
    assert "--continue 'Ana'\"'\"'s' --minutes" in said, "as a shell takes it"
    assert main(["work", run.name]) == 1
    assert len(run.events(Epoch)) == 1
    study = study_of(run)
    assert Studies(at_once=1).follow(run) == []
    last = searched("--continue", study.name, "--minutes", "5")[-1]
    assert [len(run.events(Epoch)) for run in store.runs()] == [3, 3]
    assert last["winner"]["run"] == best(trainings(study, store.runs())).run.name


def test_the_minutes_are_those_of_the_studys_own_runs_and_can_be_changed_while_it_runs(small):
    study = named(BASE, "random", SPACE, 4, minutes=1)
    studies = Studies(at_once=1)
    (first,) = studies.needed(study)
    written(first, 0.5, seconds=50)
    written(store.create(BASE, label=Label(study="another")), 0.5, seconds=50)
    (second,) = studies.follow(first)
    written(second, 0.6, seconds=20)
    progress = progress_of(study, trainings(study, store.runs()), spent(study, store.runs()))
    assert (progress.seconds, progress.is_over, progress.seconds_left) == (70, True, 0)
    assert studies.follow(second) == [second], "it is over: the best is tested"
    assert [run.control().test for run in (first, second)] == [False, True]
    changed = studies.change(study, minutes=5, runs=3)
    assert (changed.minutes, changed.runs) == (5, 3)
    assert {study_of(run).minutes for run in own_runs(study, store.runs())} == {5}
    (third,) = studies.needed(study)
    assert study_of(third).runs == 3
    with pytest.raises(Refusal, match=r"error\.study_minutes"):
        studies.change(study, minutes=-1)


def test_minutes_that_a_run_ended_by_hand_has_used_up_end_the_search_for_page_worker_and_command_alike(small):
    study = named(LONG, "grid", {"batch_size": (8, 16)}, minutes=1)
    studies = Studies(at_once=1)
    (run,) = studies.needed(study)
    reported(written(run, 0.5, 0.6, stop=None, seconds=40), "by_hand")
    assert is_used_up(run)
    assert progress_of(study, trainings(study, store.runs()), spent(study, store.runs())).is_over
    assert studies.needed(study) == studies.follow(run) == []
    searched("--continue", study.name, code=1)
    assert store.runs() == [run]


def test_minutes_of_runs_beyond_a_lowered_number_count_and_the_best_of_the_others_is_tested(small):
    study = named(LONG, "random", {"learning_rate": Range(1e-4, 1.0)}, 6, minutes=5)
    studies = Studies(at_once=2)
    for place in range(6):
        run = next(one for one in studies.needed(study) if not one.log_length())
        written(run, 0.5 + place / 100, stop="epochs" if place else None, seconds=55)
        if not place:
            run.ask("stop")
    study = studies.change(study, runs=3)
    found = trainings(study, store.runs())
    assert [one.state for one in found] == ["left", "done", "done"]
    assert is_used_up(found[0].run)
    assert progress_of(study, found, spent(study, store.runs())).is_over
    assert studies.needed(study) == [best(found).run]


def test_after_a_larger_budget_the_command_says_how_many_runs_have_read_the_test_split(small, capsys):
    study = named(BASE, "random", SPACE, 2)
    studies = Studies(at_once=1)
    for count in (2, 4):
        study = studies.change(study, runs=count) if store.runs() else study
        while not (run := studies.needed(study)[0]).is_trained():
            written(run, len(store.runs()) / 10)
        reported(run)
        assert read_tests(study, trainings(study, store.runs()), store.runs()) == count // 2
    assert searched("--continue", study.name)[-1]["tests_read"] == 2
    assert main(["search", "--continue", study.name]) == 0
    assert text("en", "study.tests_read", count=2) in capsys.readouterr().out


def test_the_number_of_a_run_ended_by_hand_is_not_given_again_by_tpe(small):
    study = named(BASE, "tpe", SPACE, 4)
    studies = Studies(at_once=1)
    (run,) = studies.needed(study)
    reported(written(run, 0.5, stop=None), "by_hand")
    assert studies.needed(study)[0].label().trial == 2


def test_a_study_of_which_a_run_was_stopped_starts_no_others_until_it_goes_on(small):
    study = named(BASE, "grid", {"learning_rate": (0.01, 0.1, 0.5, 1.0)})
    studies = Studies(at_once=2)
    first, second = studies.needed(study)
    second.ask("stop")
    assert studies.follow(second) == []
    assert studies.follow(written(first, 0.5)) == []
    assert studies.needed(study)[0] == second, "what was begun goes on first"
    assert len(store.runs()) == 3


def test_a_halted_study_follows_no_run_that_has_just_ended_until_it_goes_on(small):
    study = named(BASE, "grid", {"batch_size": (8, 16, 32)})
    studies = Studies(at_once=1)
    (run,) = studies.needed(study)
    written(run, 0.5)
    studies.halt(study)
    assert studies.follow(run) == []
    assert store.runs() == [run]
    (second,) = studies.needed(study)
    studies.halt(study)
    second.ask("stop")
    assert studies.follow(second) == []
    second.ask("run")  # by hand, on its own page
    assert [one.spec.batch_size for one in studies.follow(written(second, 0.5))] == [32]


def test_a_search_is_stopped_though_a_full_disk_takes_no_request(small, tmp_path, monkeypatch):
    try:
        with small_disk(tmp_path / "small") as disk, ThreadPoolExecutor(1) as none_at_once:
            monkeypatch.setenv("BANCADA_STORE", str(disk))
            study = named(BASE, "grid", {"batch_size": (8, 16, 32)})
            queue, studies = Workers(none_at_once, at_once=lambda: 0), Studies(at_once=3)
            runs = studies.needed(study)
            with full(disk):
                for queued in (runs, runs[:2]):  # the second time one is created that is not in the queue yet
                    for run in queued:
                        queue.submit(run)
                    expected = pytest.raises(Refusal, match="store_write") if queued != runs else nullcontext()
                    with expected:
                        studies.stop(study, queue.is_at_work, queue.stop)
                    assert [queue.place(run) for run in runs] == [None] * 3
    except CannotMountError as error:
        pytest.skip(str(error))


def test_each_of_two_searches_that_share_a_run_goes_on_after_it(small):
    first = named(BASE, "grid", {"batch_size": (8, 16)}, name="first")
    second = named(BASE, "grid", {"batch_size": (8, 32, 64)}, name="second")
    studies = Studies(at_once=1)
    (shared,) = studies.needed(first)
    same, own = studies.needed(second)
    assert same == shared
    assert own.label().study == "second", "the store knows a search by its runs"
    assert studies.follow(written(own, 0.4)) == [], "it waits for the run of the other"
    following = studies.follow(written(shared, 0.5))
    assert {(run.label().study, run.spec.batch_size) for run in following} == {("first", 16), ("second", 64)}


def test_a_run_of_anothers_that_was_stopped_halts_no_search_and_a_halted_search_waits_for_none(small):
    study = named(BASE, "grid", {"batch_size": (8, 16)})
    other = store.create(BASE.model_copy(update={"batch_size": 16}))
    other.ask("stop")
    (run,) = (one for one in Studies(at_once=1).needed(study) if one != other)
    studies = Studies(at_once=1)
    assert studies.follow(written(run, 0.5)) == [other]
    assert other.control().wanted == "run"

    study = named(BASE, "grid", {"batch_size": (32, 64, 128)})
    other = store.create(BASE.model_copy(update={"batch_size": 32}))
    (run,) = (one for one in studies.needed(study) if one != other)
    assert studies.follow(written(run, 0.5)) == []
    studies.halt(study)
    assert studies.follow(written(other, 0.5)) == []


def test_a_search_goes_on_after_the_last_of_its_runs_at_work_was_deleted(small):
    study = named(BASE, "grid", {"batch_size": (8, 16, 32)})
    studies = Studies(at_once=lambda: 2)
    first, second = studies.needed(study)
    assert len(studies.follow(written(first, 0.5))) == 1
    second.delete()
    assert [run.spec.batch_size for run in studies.follow(store.Run(second.folder))] == [16]


def test_a_run_that_was_named_after_the_study_by_hand_disturbs_nothing(small):
    study = named(BASE, "tpe", {"learning_rate": (0.01, 0.1), "batch_size": (8, 16)}, 4, minutes=9)
    (first,) = Studies(at_once=1).needed(study)
    written(first, 0.5)
    stranger = store.create(BASE.model_copy(update={"learning_rate": 0.5}), label=Label(study=study.name))
    written(stranger, 0.9)
    again = store.create(next(spec for spec in every(study) if spec != first.spec), label=study.label())
    written(again, 0.7)
    found = trainings(study, store.runs())
    assert [(one.run, one.number) for one in found] == [(again, None), (first, 1)]
    assert Studies(at_once=1).follow(first)[0].label().trial == 2


def test_a_training_that_fails_counts_as_tried_and_the_others_go_on(small):
    network = "flatten, dense(8), batch_norm, dense(classes)"
    lines = searched(*FLAGS[:-1], network, "--epochs", "1", "--vary=batch_size=35,69,70")
    assert [line["state"] for line in lines if "state" in line] == ["done", "failed", "done"]
    assert [line["error"] for line in lines if "error" in line] == ["error.batch_of_one"], "70 images in batches of 69"
    assert lines[-1]["winner"]["options"]["batch_size"] in (35, 70)


# --- what it costs, and what came out ---------------------------------------------------------------------------------


def test_the_cost_is_told_before_the_start_for_each_way(small):
    fields = {"learning_rate": (0.01, 0.1, 1.0), "batch_size": (8, 16)}
    costs = {way: cost(named(LONG, way, fields, 5), 60) for way in ("grid", "staged", "random", "tpe")}
    assert {way: one.runs for way, one in costs.items()} == {"grid": 6, "staged": 4, "random": 5, "tpe": 5}
    assert [costs[way].minutes for way in costs] == pytest.approx([6, 4, 5, 5])
    assert cost(named(LONG, "grid", fields), 60, at_once=2).minutes == pytest.approx(3)
    assert cost(named(LONG, "grid", fields, minutes=2), 60).minutes == 2
    pruned = cost(named(LONG, "grid", fields, prune=True), 60)
    assert (pruned.minutes, pruned.least_minutes) == pytest.approx((6, 6 * (1 + 2 / 3 + 6 / 9) / 9))
    longer = named(BASE, "grid", {"epochs": (1, 9)})
    assert (largest(longer).epochs, cost(longer, 90).minutes) == (9, pytest.approx(100 / 60))


def test_progress_tells_what_is_done_and_the_time_left_by_the_pace_so_far(small):
    study = named(LONG, "grid", {"learning_rate": (0.1, 0.2, 0.3, 0.4)})
    assert progress_of(study, trainings(study, []), spent(study, [])).seconds_left is None
    assert progress_of(study, trainings(study, []), spent(study, []), seconds=10).seconds_left == pytest.approx(40)
    specs = [one.spec for one in trainings(study, [])]
    written(store.create(specs[0], label=study.label(), test=False), *9 * [0.5], seconds=2)
    written(store.create(specs[1], label=study.label(), test=False), *3 * [0.5], stop=None, seconds=2)
    progress = progress_of(study, trainings(study, store.runs()), spent(study, store.runs()))
    assert (progress.done, progress.left, progress.of, progress.seconds) == (1, 3, 4, 24)
    assert progress.seconds_left == pytest.approx(18 + 18 + 12)


def test_importance_names_the_field_that_matters_and_leaves_pruned_runs_out(small):
    study = named(BASE, "tpe", SPACE, 14)
    found = answered(study, 9)
    with pytest.raises(Refusal, match=r"error\.importance_few"):
        importance(study, found)
    found = answered(study, 5)
    run = store.create(BASE.model_copy(update={"learning_rate": 0.5, "batch_size": 8}), label=study.label(), test=False)
    written(run, 0.01, stop="pruned")
    told = importance(study, trainings(study, store.runs()))
    assert next(iter(told.shares)) == "learning_rate"
    assert told.shares["learning_rate"] > 0.8
    assert sum(told.shares.values()) == pytest.approx(1)
    assert (told.n, told.left_out, told.sometimes) == (14, 1, ())
    assert told == importance(study, trainings(study, store.runs()))
    for one in found:
        one.run.delete()
    with pytest.raises(Refusal, match=r"error\.importance_equal"):
        importance(study, answered(study, 10, lambda _: 0.5))


@pytest.mark.parametrize("language", languages())
def test_the_decision_is_said_in_images_and_names_those_that_cannot_be_told_from_the_best(language):
    found = decision([0.9, 0.9 + 3 / 3588, 0.5], [10, 20, 5], 3588)
    assert (found.best, found.near, found.by, found.simplest.place) == (1, [0, 1], 3, 0)
    key, slots = decision_sentence(found)
    images = number(3588, language=language)
    said = {
        "en": f"The best gets 3 more of the {images} validation images right than the second.",
        "pt_BR": f"Das {images} imagens de validação, a melhor acerta 3 a mais que a segunda.",
    }
    assert text(language, key, **slots).startswith(said[language] + " 1 ")
    key, slots = decision_sentence(decision([0.9, 0.5], [10, 20], 3588))
    seed = {"en": "another seed", "pt_BR": "outra semente"}
    assert seed[language] in text(language, key, **slots), "nobody is as good"
    for accuracies in ([0.5], [0.5, 0.5]):
        key, slots = decision_sentence(decision(accuracies, [1] * len(accuracies), 20))
        assert text(language, key, **slots)


@pytest.mark.parametrize(
    ("base", "varied", "limits", "key"),
    [
        (BASE, SPACE, {"minutes": 0}, "study_minutes"),
        (BASE, SPACE, {"prune": True}, "prune_short"),
        (LONG, {"epochs": (3, 9)}, {"prune": True}, "prune_epochs"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(base, varied, limits, key):
    with pytest.raises(Refusal, match=rf"error\.{key}"):
        named(base, "tpe", varied, **limits)


def test_a_page_and_a_worker_start_without_the_sampler():
    code = "import sys, core.search.studies, core.search.importance; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_page_of_a_pruned_run_says_why_it_ended_and_offers_no_test_images(frame):
    run = store.create(checked({"data": "mnist-5k", "epochs": 9}), test=False)
    app = frame("train", run=written(run, 0.3, 0.2, 0.2, stop="pruned").name)
    assert text("en", "train.pruned") in [one.value for one in app.info]
    assert not {"read-test", "ask-pause"} & {button.key for button in app.button}
