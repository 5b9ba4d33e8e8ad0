"""The searches of report 002: the trainings they need, the way from stage to stage, and what is not done twice."""

import io
import itertools
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from core import store
from core.__main__ import main
from core.events import Checkpoint, Epoch, Started
from core.measures.selection import lift_with_epochs, simplest
from core.recipes import RECIPES, VARIANTS, searches
from core.recipes.searches import SEARCHES, VAL_IMAGES, belongs_to, choices_of, choices_text, repeats
from core.refusal import Refusal
from core.search import Driver, accuracies_of, cells, chosen, known_runs, time_left, winner
from core.work import work
from core.workers import Workers
from tests.browser import ROOT
from tests.conftest import wait_for
from tests.small_data import write_blood
from tests.test_workers import has_ended

STAGED, GRID = SEARCHES["002-a"], SEARCHES["002-c"]
BLOOD = {"variant": "short", "data": "blood"}
follow = Driver(SEARCHES).follow
SERVER = """
import sys
from core.recipes.searches import SEARCHES
from core.search import Driver
from core.workers import Workers
driver = Driver(SEARCHES)
queue = Workers(at_once=1, spare_after=0, follow=driver.follow)
for run in driver.runs("002-a", "short", data="blood"):
    queue.resume(run)
sys.stdin.read()
"""


def test_the_staged_search_takes_twelve_trainings_nine_with_reuse_and_the_reports_path():
    figures = {}
    while missing := [cell for cell in cells(STAGED, figures.get, "faithful") if cell.measured is None]:
        figures |= {cell.spec: cell.reported for cell in missing}
    found = cells(STAGED, figures.get, "faithful")
    assert (len(found), len({cell.spec for cell in found})) == (12, 9)
    best = [winner(cell for cell in found if cell.stage == stage) for stage in range(4)]
    assert [cell.option for cell in best if cell] == [4096, "relu", 0.25, "sgd"]
    assert best[-1]
    assert best[-1].spec.layers == STAGED.spec({**STAGED.start, "width": 4096, "dropout": 0.25}, "faithful").layers


def test_a_stage_is_known_once_the_one_before_it_is_measured():
    assert [cell.stage for cell in cells(STAGED, {}.get, "faithful")] == 5 * [0]
    figures = {cell.spec: cell.reported for cell in cells(STAGED, {}.get, "faithful")}
    second = cells(STAGED, figures.get, "faithful")[5:]
    assert [(cell.option, cell.measured) for cell in second] == [("relu", 0.8832), ("sigmoid", None)]
    assert winner(second) is None


def test_the_grid_has_twenty_cells_with_the_best_at_64_filters_of_9():
    found = cells(GRID, {}.get, "faithful")
    assert len({cell.spec for cell in found}) == 20
    assert max(found, key=lambda cell: cell.reported).option == (64, 9)
    spec = GRID.spec({"convolution": (64, 9)}, "faithful")
    assert (spec.split, spec.val_fraction, spec.epochs, spec.test_use) == ("first_last", 0.3, 100, "once")
    assert sum(row.parameters for row in spec.table((3, 28, 28), 8)) == 115_976


def test_every_training_of_a_search_is_known_by_its_spec_whichever_way_the_stages_went():
    for name, variant in itertools.product(SEARCHES, VARIANTS):
        figures = {}
        while missing := [
            cell for cell in cells(SEARCHES[name], figures.get, variant, seed=3) if cell.measured is None
        ]:
            # The other way round than in the report.
            figures |= {cell.spec: 1 - (cell.reported or 0.5) for cell in missing}
        single = (RECIPES["002-b"].spec(variant, seed=3), ("002-b", variant))
        assert {belongs_to(spec) for spec in figures} == {(name, variant)}
        assert belongs_to(single[0]) == single[1], "a training of both is the single recipe's"
    assert belongs_to(GRID.spec({"convolution": (8, 3)}, "faithful", epochs=99)) is None


def test_every_option_of_a_search_trains_for_the_same_epochs_whatever_the_clock():
    specs = [spec for name in SEARCHES for spec in searches._trainings()]
    assert {spec.time_limit for spec in specs} == {spec.patience for spec in specs} == {None}
    for name, variant in itertools.product(SEARCHES, VARIANTS):
        epochs = {spec.epochs for spec, one in searches._trainings().items() if one[:2] == (name, variant)}
        assert len(epochs) == 1, (name, variant)


def test_a_training_of_a_search_is_told_from_the_others_by_its_options_on_any_data_and_seed():
    start = STAGED.start
    assert told_apart(STAGED.spec(start, "faithful")) == "256 neurons"
    assert told_apart(STAGED.spec(start | {"width": 512}, "short", data="mnist", seed=7)) == "512 neurons"
    both = STAGED.spec(start | {"width": 4096, "dropout": 0.5}, "honest", data="mnist-5k")
    assert both.split == "stratified", "mnist-5k has no val split of its authors' own"
    assert belongs_to(both) == ("002-a", "honest")
    assert told_apart(both) == "4,096 neurons, dropout 0.5"
    assert told_apart(both, "pt_BR") == "4.096 neurônios, dropout 0,5"
    assert told_apart(GRID.spec({"convolution": (8, 3)}, "faithful")) == "8 @ 3 x 3"
    assert told_apart(SEARCHES["pooling"].spec({"pooling": "avg"}, "short")) == "average pooling"
    assert told_apart(RECIPES["002-b"].spec()) == "", "the single recipe's name tells it"
    for name, variant in itertools.product(SEARCHES, VARIANTS):
        labels = [one[2] for one in searches._trainings().values() if one[:2] == (name, variant)]
        assert len(set(labels)) == len(labels) / (1 if variant == "faithful" else 2), "each has a name of its own"


def told_apart(spec, language="en"):
    return choices_text(choices_of(spec), language)


def test_the_one_standard_error_rule_picks_32_filters_of_9_on_the_reported_grid():
    found = cells(GRID, {}.get, "faithful")
    parameters = [sum(row.parameters for row in cell.spec.table((3, 28, 28), 8)) for cell in found]
    picked = simplest([cell.reported for cell in found], parameters, VAL_IMAGES)
    assert (found[picked.place].option, parameters[picked.place]) == ((32, 9), 57_992)
    assert picked.standard_error == pytest.approx(math.sqrt(0.9047 * 0.0953 / 3588))
    assert simplest([0.5, 0.5], [3, 3], 10).place == 0
    assert simplest([0.9, 0.91], [5, 3], 10**9).place == 1, "the best is the simplest"
    assert simplest([1.0, 0.999], [5, 3], 100).place == 0, "an accuracy of 1 has no error"


def test_the_repetitions_of_a_configuration_show_how_far_chance_moves_it():
    assert repeats("002-a") == [
        ((("width", 4096),), (0.8832, 0.8832, 0.8838)),
        ((("width", 4096), ("dropout", 0.25)), (0.8846, 0.8846, 0.8827)),
    ]
    assert ((("convolution", (32, 5)),), (0.8938, 0.8994, 0.8952)) in repeats("002-c")
    assert repeats("pooling") == []


def test_of_runs_of_one_spec_the_one_that_has_come_the_furthest_is_known(blood):
    spec = SEARCHES["pooling"].spec({"pooling": "avg"}, "short", data=BLOOD["data"])
    done, trained, begun = (store.create(spec, test=test) for test in (True, False, False))
    assert work(str(trained.folder)) == "trained"
    assert known_runs(store.runs()) == {spec: trained}
    assert work(str(done.folder)) == "done"
    assert known_runs(store.runs()) == {spec: done}, "so that no second test split is read"
    assert begun in store.runs()


# --- one click, four stages -------------------------------------------------------------------------------------------


@pytest.fixture
def blood(home, tmp_path, monkeypatch):
    """A data folder with `blood`, and a store."""
    write_blood(tmp_path)
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path))


def found_now():
    return cells(STAGED, accuracies_of(known_runs(store.runs())), **BLOOD)


def lines_of(runs):
    return {run: (run.folder / "events.jsonl").read_bytes() for run in runs}


def the_only_one_tested():
    """The run that the search has chosen, the only one whose test images have been read."""
    best = chosen(STAGED, found_now())
    (tested,) = (run for run in store.runs() if run.report())
    assert best
    assert tested.spec == best.spec
    assert {run.status() for run in store.runs() if run != tested} == {"trained"}
    assert not any((run.folder / store.PREDICTIONS).exists() for run in store.runs() if run != tested)
    return tested


def starts_of(run):
    return sum(isinstance(event, Started) for event in run.read()[0])


def is_finished():
    found = found_now()
    best = chosen(STAGED, found)
    return bool(len(found) == 12 and best and known_runs(store.runs())[best.spec].report())


@pytest.mark.slow
def test_a_stage_brings_the_next_one_and_the_command_goes_on_without_repeating_what_is_done(blood, capsys):
    runs = Driver(SEARCHES).runs("002-a", **BLOOD)
    assert [follow(run) for run in runs] == 5 * [[]], "none is done"
    for run in runs[:4]:
        assert work(str(run.folder)) == "trained"
        assert follow(run) == []
    runs[4].ask("stop")
    assert work(str(runs[4].folder)) == "stopped"
    assert follow(runs[4]) == []
    runs[4].ask("run")
    assert work(str(runs[4].folder)) == "trained"
    (following,) = follow(runs[4])
    best = winner(found_now()[:5])
    assert best
    assert following.spec == STAGED.spec({**STAGED.start, "width": best.option, "activation": "sigmoid"}, **BLOOD)
    assert follow(runs[4]) == [], "it is there already"
    before = lines_of(runs)
    assert main(["evaluate", runs[0].name]) == 1
    assert "have not been read" in capsys.readouterr().err

    command = ["recipes", "run", "002-a", "--variant", "short", "--data", "blood", "--json"]
    assert main(command) == 0
    assert is_finished()
    assert lines_of(runs) == before or the_only_one_tested() in runs
    assert len(store.runs()) == len({run.spec for run in store.runs()}) == 9
    lines = list(map(json.loads, capsys.readouterr().out.splitlines()))
    told = [line for line in lines if "stage" in line]
    assert [line["measured"] for line in told] == [cell.measured for cell in found_now()]
    assert [line["stage"] for line in told if line["winner"]] == ["width", "activation", "dropout", "optimizer"]
    for run in store.runs():
        measured = next(cell.measured for cell in found_now() if cell.spec == run.spec)
        assert measured == max(event.val_accuracy for event in run.events(Epoch)), "not that of the kept epoch"
    assert lines[-1]["run"] == the_only_one_tested().name
    assert lines[-1]["chosen"] == dict(choices_of(the_only_one_tested().spec))
    lifted = lift_with_epochs([run.events(Epoch) for run in store.runs()], runs[0].started().counts["val"])
    assert lines[-1]["lift"]["about"] == pytest.approx(lifted.value, abs=0.1), "in another order"
    assert main(command) == 0, "all is done: nothing is left to train"
    assert len(store.runs()) == 9
    told = capsys.readouterr().out
    (Path(os.environ["BANCADA_DATA"]) / "blood.npz").unlink()
    assert main(command) == 0, "the data are not needed to tell what was measured"
    assert capsys.readouterr().out == told


def test_a_stop_that_comes_as_the_last_training_ends_keeps_the_test_split_unread(blood):
    runs = Driver(SEARCHES).runs("pooling", **BLOOD)
    for run in runs:

        def stop(event, run=run):
            if isinstance(event, Epoch) and event.stop:
                run.ask("stop")

        assert work(str(run.folder), tell=stop) == "trained"
        assert follow(run) == []
    (best,) = Driver(SEARCHES).runs("pooling", **BLOOD)  # asked for again, by a click or the command
    assert work(str(best.folder)) == "done"


def test_a_ctrl_c_that_comes_as_a_training_ends_ends_the_command(blood, monkeypatch):
    class Interrupted(io.StringIO):
        def write(self, words):
            if '"stop":"epochs"' in words:
                signal.raise_signal(signal.SIGINT)
            return super().write(words)

    monkeypatch.setattr(sys, "stdout", Interrupted())
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert main(["recipes", "run", "pooling", "--variant", "short", "--data", "blood", "--json"]) == 130
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert [run.status() for run in store.runs()] == ["trained"], "and the search has gone no further"


def test_a_done_run_whose_log_has_lost_its_epochs_is_named_and_trained_again_once_it_is_deleted(blood, capsys):
    run, *_ = (store.create(cell.spec) for cell in found_now())
    assert work(str(run.folder)) == "done"
    log = run.folder / "events.jsonl"
    log.write_text(log.read_text().replace('"event":"epoch"', '"event":"?"'))
    assert run.is_done()
    assert main(["recipes", "run", "002-a", "--variant", "short", "--data", "blood"]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert str(run.folder) in sentence
    with pytest.raises(Refusal, match="run_without_epoch"):
        follow(run)
    run.delete()
    assert found_now()[0].measured is None


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_one_call_runs_all_four_stages_though_the_server_and_then_a_worker_are_killed(blood):
    first, *others, last = Driver(SEARCHES).runs("002-a", **BLOOD)
    for run in others:  # so that fewer processes have to start
        assert work(str(run.folder)) == "trained"
    with subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdin=subprocess.PIPE) as server:
        wait_for(first.is_trained)
        processes = psutil.Process(server.pid).children()
        server.kill()
    wait_for(lambda: all(has_ended(process) for process in processes))
    before, begun = lines_of(done := [first, *others]), starts_of(last)
    assert len(store.runs()) == 5

    driver = Driver(SEARCHES)
    workers = Workers(at_once=2, spare_after=0, follow=driver.follow)
    try:
        last.ask("batch")
        workers.submit(last)
        for run in driver.runs("002-a", **BLOOD):
            workers.resume(run)
        assert len(store.runs()) == 5
        wait_for(lambda: starts_of(last) > begun and isinstance(last.latest(), Checkpoint))
        os.kill(last.last(Started).pid, signal.SIGKILL)  # pyright: ignore
        wait_for(lambda: starts_of(last) > begun + 1)
        last.ask("run")
        wait_for(is_finished, 120)
    finally:
        workers.close()
    assert lines_of(set(done) - {the_only_one_tested()}).items() <= before.items()
    assert len(store.runs()) == len({run.spec for run in store.runs()}) == 9
    stages = [[cell for cell in found_now() if cell.stage == stage] for stage in range(4)]
    path = [best for stage in stages if (best := winner(stage))]
    assert [cell.spec for cell in stages[3] if cell.option == "sgd"] == [path[2].spec]


def test_the_time_left_counts_the_trainings_that_wait_and_the_stages_to_come(blood):
    run = store.create(found_now()[0].spec)
    assert time_left(STAGED, found_now(), {run.spec: run.events()}) is None
    assert work(str(run.folder)) == "done"
    report = run.report()
    assert report
    seconds = [report.seconds * width / 256 for width in (512, 1024, 2048, 4096)]
    left = time_left(STAGED, found_now(), {run.spec: run.events()})
    assert left == pytest.approx(sum(seconds) + 4 * seconds[-1]), "and four more as wide as the widest"
    before = time_left(STAGED, found_now(), {}, seconds[-1])
    assert before == pytest.approx(report.seconds + sum(seconds) + 4 * seconds[-1]), "by a measurement of the widest"
