"""A search of any fields: what it tries, that nothing is trained twice, and that it goes on after it was killed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from core import store
from core.__main__ import main
from core.events import Epoch, Started, to_line
from core.measures.answers import unpacked
from core.measures.selection import lift, most_lift
from core.recipes.searches import SEARCHES
from core.refusal import Refusal
from core.search import cells, winner
from core.search.studies import Studies
from core.search.study import VARIANT, Range, Study, named, options_of, rounded, study, study_of
from core.search.trainings import best, trainings
from core.spec import checked
from core.store import Label
from core.work import work
from core.workers import Workers
from tests.browser import ROOT
from tests.conftest import wait_for

BASE = checked({"data": "tiny", "split": "official", "layers": "flatten, dense(classes)", "epochs": 1})
GRID = {"learning_rate": (0.001, 0.01, 0.1, 0.5, 1.0), "batch_size": (8, 16, 32, 64)}
FLAGS = ("--data", "tiny", "--split", "official", "--layers", "flatten, dense(classes)", "--epochs", "1")


@pytest.fixture
def small(home, tiny_data, monkeypatch):
    """A store of the test's own, and the small data sets."""
    monkeypatch.setenv("BANCADA_DATA", str(tiny_data))


def searched(*arguments: str) -> list[dict]:
    """What the command prints, as objects, without the events of the trainings."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert main(["search", *arguments, "--json"]) == 0
    return [line for line in map(json.loads, output.getvalue().splitlines()) if "event" not in line]


def specs_of(one: Study):
    return [cell.spec for cell in cells(one.search(), lambda _: None, VARIANT)]


@pytest.mark.parametrize(
    ("name", "varied", "key"),
    [("x" * 61, GRID, "name"), ("", {"learning_rate": tuple(0.0001 * n for n in range(1, 301))}, "plan")],
)
def test_a_name_or_a_plan_that_no_label_holds_is_refused(name, varied, key):
    with pytest.raises(Refusal, match=rf"error\.study_{key}"):
        named(BASE, "grid", varied, name=name)


def test_a_search_that_would_choose_by_the_test_split_is_refused():
    with pytest.raises(Refusal, match=r"error\.study_split"):
        named(BASE.model_copy(update={"split": "test"}), "grid", GRID)


def test_a_name_has_no_spaces_at_its_ends_so_that_the_search_finds_its_runs(small):
    one = named(BASE, "tpe", {"learning_rate": Range(1e-4, 1.0)}, 3, name=" abc ")
    (run,) = Studies(at_once=1).needed(one)
    assert run.label().study == one.name == "abc"
    assert named(BASE, "grid", GRID, name=" ").name == named(BASE, "grid", GRID).name


@pytest.mark.parametrize(
    "changed",
    [{"runs": 3.5}, {"runs": True}, {"minutes": True}, {"vary": {"optimizer": {"low": "adam", "high": "sgd"}}}],
)
def test_a_plan_of_another_program_with_values_of_other_types_is_no_study(small, changed):
    plan = {"way": "random", "vary": {"learning_rate": {"low": 0.001, "high": 0.1}}, "runs": 3, "base": {}}
    assert study_of(store.create(BASE, label=Label(study="one", plan=json.dumps(plan)))).runs == 3
    run = store.create(BASE, label=Label(study="other", plan=json.dumps(plan | changed)))
    assert Studies(at_once=1).follow(run) == []


@pytest.mark.slow
def test_two_processes_create_one_run_of_each_training(small):
    code = (
        "import sys; from tests.test_study import *; study = named(BASE, 'grid', GRID); print(flush=True);"
        "sys.stdin.readline(); Studies(at_once=20).needed(study)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, **pipes)) for _ in range(2)
        ]
        for process in processes:
            process.stdout.readline()
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
    assert len(store.runs()) == len({run.spec for run in store.runs()}) == 20


# --- what is tried ----------------------------------------------------------------------------------------------------


def test_a_grid_tries_all_combinations_and_stages_one_field_after_the_other():
    grid = specs_of(named(BASE, "grid", GRID))
    assert len(set(grid)) == 20
    assert {(one.learning_rate, one.batch_size) for one in grid} == {
        (rate, size) for rate in GRID["learning_rate"] for size in GRID["batch_size"]
    }
    staged = named(BASE, "staged", GRID)
    found = cells(staged.search(), lambda spec: 1 - abs(spec.learning_rate - 0.1) - spec.batch_size / 1e4, VARIANT)
    assert len({cell.spec for cell in found}) == 5 + 4 - 1
    assert winner(found[5:]).spec == BASE.model_copy(update={"learning_rate": 0.1, "batch_size": 8})


def test_random_draws_different_combinations_by_the_seed_and_within_the_range():
    varied = {"learning_rate": Range(1e-4, 0.1), "batch_size": Range(8, 64), "optimizer": ("sgd", "adam")}
    first, again = (specs_of(named(BASE, "random", varied, 30)) for _ in range(2))
    assert first == again
    assert len(set(first)) == 30
    assert all(1e-4 <= one.learning_rate <= 0.1 and 8 <= one.batch_size <= 64 for one in first)
    assert sum(one.learning_rate < 0.00316 for one in first) in range(7, 24), "even by the logarithm"
    assert {one.optimizer for one in first} == {"sgd", "adam"}
    assert first != specs_of(named(BASE.model_copy(update={"seed": 1}), "random", varied, 30))


@pytest.mark.parametrize(("low", "high"), [(0.99, 0.9999), (0.12345, 0.1236), (0.0012345, 0.0099999), (1e-5, 0.9)])
def test_values_of_a_range_never_leave_it_and_a_narrow_one_has_many(low, high):
    sgd = BASE.model_copy(update={"optimizer": "sgd"})
    for way in ("grid", "random"):
        found = {one.momentum for one in specs_of(named(sgd, way, {"momentum": Range(low, high)}, 20))}
        assert len(found) == {"grid": 5, "random": 20}[way]
        assert all(low <= one <= high for one in found)
    assert rounded("momentum", high, Range(low, high)) == high


def test_random_draws_as_many_trainings_as_asked_where_different_values_make_the_same_one():
    found = specs_of(named(BASE, "random", {"optimizer": ("sgd", "adam"), "momentum": Range(0, 0.9)}, 20))
    assert len(set(found)) == len(found) == 20


def test_a_field_that_an_option_has_no_use_for_makes_no_second_training():
    grid = named(BASE, "grid", {"optimizer": ("sgd", "adam"), "momentum": (0.0, 0.9)})
    assert len(specs_of(grid)) == 4
    assert len(set(specs_of(grid))) == 3
    by_name = named(checked({"data": "tiny"}), "grid", {"architecture": ("mlp", "lenet")})
    assert [
        spec.layers == checked({"architecture": name}).layers
        for spec, name in zip(specs_of(by_name), ("mlp", "lenet"), strict=True)
    ] == [True, True]


@pytest.mark.parametrize(
    ("varied", "key"),
    [
        ({}, "study_empty"),
        ({"seed": (1, 2)}, "field_fixed"),
        ({"data": ("tiny", "mnist")}, "field_fixed"),
        ({"colour": (1,)}, "field_unknown"),
        ({"learning_rate": (0.1, -1)}, "field_value"),
        ({"learning_rate": Range(0.1, 0.01)}, "field_empty"),
        ({"batch_size": ("many",)}, "field_value"),
        ({"architecture": ("no-such",)}, "architecture_unknown"),
    ],
)
def test_what_cannot_vary_is_refused_before_anything_is_trained(varied, key):
    with pytest.raises(Refusal, match=rf"error\.{key}"):
        named(BASE, "grid", varied)


def test_a_grid_that_would_fill_the_memory_is_refused_before_it_is_made():
    fields = ("learning_rate", "momentum", "weight_decay", "label_smoothing")
    large = Study("large", BASE, "grid", dict.fromkeys(fields, tuple(place / 2_000 for place in range(1, 1_000))))
    started = time.monotonic()
    with pytest.raises(Refusal, match=r"error\.study_large"):
        large.search()
    assert time.monotonic() - started < 1, "999^4 options"


@pytest.mark.parametrize("way", ["grid", "staged", "random"])
def test_a_study_is_told_from_the_label_of_any_of_its_runs(small, way):
    base = checked(dict(BASE) | {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1})
    one = named(base, way, {"optimizer": ("sgd", "adam"), "learning_rate": Range(0.001, 0.1)}, 7)
    for spec in specs_of(one):
        run = store.create(spec, label=one.label())
        told = study_of(run)
        assert told
        assert (told.name, told.plan(), specs_of(told)) == (one.name, one.plan(), specs_of(one))
        run.relabel(plan='{"way": "no such"}')
        assert study_of(run) is None
        run.delete()
    with pytest.raises(Refusal, match=r"error\.study_unknown"):
        study(one.name, store.runs())


# --- carried out ------------------------------------------------------------------------------------------------------


def test_what_chance_adds_to_the_best_is_told_of_all_epochs_among_which_it_was_picked(small):
    rates = ",".join(str(rate) for rate in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3))
    last = searched(*FLAGS[:-1], "3", f"--vary=learning_rate={rates}")[-1]
    runs = sorted(store.runs(), key=lambda run: (run.name != last["winner"]["run"], run.label().trial))
    looks = [unpacked(epoch.val_right, last["n_val"]) for run in runs for epoch in reversed(run.events(Epoch))]
    assert len(looks) == 18
    found = lift(np.stack(looks))
    assert last["lift"]["about"] == pytest.approx(found.value)
    assert last["lift"]["expected"] == pytest.approx(found.expected)

    for run in runs:  # as an earlier version has logged them
        lines = [to_line(event.model_copy(update={"val_right": ""})) for event in run.events()]
        (run.folder / "events.jsonl").write_text("\n".join([*lines, ""]))
    found = most_lift([epoch.val_accuracy for run in runs for epoch in reversed(run.events(Epoch))], last["n_val"])
    last = searched("--continue", last["study"])[-1]
    assert last["lift"]["at_most"] == pytest.approx(found.value)
    assert last["lift"]["expected"] == pytest.approx(found.expected)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_search_killed_at_7_of_20_goes_on_by_its_name_and_trains_nothing_twice(small):
    flags = [f"--vary={name}={','.join(map(str, values))}" for name, values in GRID.items()]
    command = [sys.executable, "-m", "core", "search", *FLAGS, *flags, "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: sum(run.is_trained() for run in store.runs()) >= 7, 120)
        os.kill(process.pid, signal.SIGKILL)
    done = [run for run in store.runs() if run.is_trained()]
    before = {run.name: run.log_length() for run in done}
    assert 7 <= len(done) < 20
    (name,) = {run.label().study for run in store.runs()}

    lines = searched("--continue", name)
    assert len(store.runs()) == len({run.spec for run in store.runs()}) == 20
    assert sorted(run.label().trial for run in store.runs()) == list(range(1, 21))
    last = lines[-1]
    tested = [run for run in store.runs() if run.report()]
    assert [run.name for run in tested] == [last["winner"]["run"]], "test images are read for the best alone"
    assert {run.name: run.log_length() for run in done if run not in tested}.items() <= before.items()
    trained_once = [sum(event.step == 0 for event in run.events(Started)) for run in store.runs()]
    assert trained_once.count(1) >= 19, "only the one that was killed may have begun twice"
    assert all(len(run.events(Epoch)) == 1 for run in store.runs())
    assert len([line for line in lines if "options" in line]) == 20
    accuracies = {line["run"]: line["val_accuracy"] for line in lines if "options" in line}
    assert accuracies[last["winner"]["run"]] == max(accuracies.values())
    assert last["winner"]["run"] in last["noise_band"]
    assert last["lift"]["about"] >= 0
    assert searched("--continue", name)[-1] == last, "nothing is left to do"
    assert len(store.runs()) == 20


@pytest.mark.slow
def test_two_workers_come_to_the_same_grid_as_the_command_and_stages_follow_in_the_queue(small):
    one = named(BASE, "staged", {"learning_rate": (0.01, 0.1, 1.0), "batch_size": (16, 32)}, name="by the queue")
    studies = Studies(SEARCHES, at_once=2)
    workers = Workers(at_once=2, spare_after=0, follow=studies.follow)
    first = studies.needed(one)
    assert len(first) == 2, "no more than can be trained at the same time"
    chosen = lambda: best(trainings(one, store.runs()))  # noqa: E731  asked again and again
    try:
        for run in first:
            workers.submit(run)
        wait_for(lambda: (found := chosen()) and found.run and found.run.report(), 120)
    finally:
        workers.close()
    assert len(store.runs()) == 3 + 1
    assert {run.label().study for run in store.runs()} == {"by the queue"}
    assert sum(run.report() is not None for run in store.runs()) == 1
    again = searched("--continue", "by the queue")[-1]
    assert again["winner"]["options"] == options_of(one, chosen().spec)


def test_a_training_that_is_there_already_is_not_repeated_whoever_asked_for_it(small):
    run = store.create(BASE, label=Label(owner="Ana"))
    assert work(str(run.folder)) == "done"
    lines = searched(*FLAGS, "--vary", "learning_rate=0.001,0.01")
    assert len(store.runs()) == 2
    assert run.name in {line.get("run") for line in lines}
    assert run.label() == Label(owner="Ana")
    other = io.StringIO()
    name = lines[0]["study"]
    with contextlib.redirect_stderr(other):
        assert main(["search", *FLAGS, "--vary", "batch_size=8,16", "--study", name]) == 1
    assert name in other.getvalue()
    assert len(store.runs()) == 2
