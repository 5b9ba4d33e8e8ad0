"""The searches of report 002: the trainings they need, the way from stage to stage, and what is not done twice."""

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from core import store
from core.__main__ import main
from core.events import Checkpoint, Started
from core.recipes import RECIPES, VARIANTS
from core.recipes.searches import SEARCHES, belongs_to
from core.refusal import Refusal
from core.search import Driver, accuracies_of, cells, known_runs, time_left, winner
from core.work import work
from core.workers import Workers
from tests.browser import ROOT
from tests.conftest import wait_for
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
            figures |= {cell.spec: 1 - cell.reported for cell in missing}  # the other way round than in the report
        single = (RECIPES["002-b"].spec(variant, seed=3), ("002-b", variant))
        assert {belongs_to(spec) for spec in figures} == {(name, variant)}
        assert belongs_to(single[0]) == single[1], "a training of both is the single recipe's"
    assert belongs_to(GRID.spec({"convolution": (8, 3)}, "faithful", epochs=99)) is None


@pytest.mark.parametrize("name", SEARCHES)
def test_a_short_search_takes_a_minute_at_most(name):
    search = SEARCHES[name]
    spec = cells(search, {}.get, "short")[0].spec
    assert spec.time_limit
    assert spec.time_limit * sum(len(stage.options) for stage in search.stages) <= 60


# --- one click, four stages -------------------------------------------------------------------------------------------


@pytest.fixture
def blood(home, tmp_path, monkeypatch):
    """Data of BloodMNIST's layout, made up: 28 x 28 in colour, eight classes, with a val split."""
    generator, arrays = np.random.default_rng(0), {}
    for part, count in {"train": 64, "val": 24, "test": 16}.items():
        labels = np.arange(count) % 8
        arrays[f"{part}_images"] = generator.integers(0, 200, (count, 28, 28, 3), dtype=np.uint8)
        arrays[f"{part}_images"][np.arange(count), labels] += 55
        arrays[f"{part}_labels"] = labels.astype(np.uint8)
    np.savez(tmp_path / "blood.npz", **arrays)
    monkeypatch.setenv("BANCADA_DATA", str(tmp_path))


def found_now():
    return cells(STAGED, accuracies_of(known_runs(store.runs())), **BLOOD)


def lines_of(runs):
    return {run: (run.folder / "events.jsonl").read_bytes() for run in runs}


def starts_of(run):
    return sum(isinstance(event, Started) for event in run.read()[0])


def is_finished():
    found = found_now()
    return len(found) == 12 and all(cell.measured is not None for cell in found)


def test_a_stage_brings_the_next_one_and_the_command_goes_on_without_repeating_what_is_done(blood, capsys):
    runs = [store.create(cell.spec) for cell in found_now()]
    assert [follow(run) for run in runs] == 5 * [[]], "none is done"
    for run in runs[:4]:
        assert work(str(run.folder)) == "done"
        assert follow(run) == []
    runs[4].ask("stop")
    assert work(str(runs[4].folder)) == "stopped"
    assert follow(runs[4]) == []
    runs[4].ask("run")
    assert work(str(runs[4].folder)) == "done"
    (following,) = follow(runs[4])
    best = winner(found_now()[:5])
    assert best
    assert following.spec == STAGED.spec({**STAGED.start, "width": best.option, "activation": "sigmoid"}, **BLOOD)
    assert follow(runs[4]) == [], "it is there already"
    before = lines_of(runs)

    command = ["recipes", "run", "002-a", "--variant", "short", "--data", "blood", "--json"]
    assert main(command) == 0
    assert is_finished()
    assert lines_of(runs) == before
    assert len(store.runs()) == len({run.spec for run in store.runs()}) == 9
    told = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "stage" in line]
    assert [line["measured"] for line in told] == [cell.measured for cell in found_now()]
    assert [line["stage"] for line in told if line["winner"]] == ["width", "activation", "dropout", "optimizer"]
    assert main(command) == 0, "all is done: nothing is left to train"
    assert len(store.runs()) == 9
    told = capsys.readouterr().out
    (Path(os.environ["BANCADA_DATA"]) / "blood.npz").unlink()
    assert main(command) == 0, "the data are not needed to tell what was measured"
    assert capsys.readouterr().out == told


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


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_one_call_runs_all_four_stages_though_the_server_and_then_a_worker_are_killed(blood):
    first, *others, last = (store.create(cell.spec) for cell in found_now())
    for run in others:  # so that fewer processes have to start
        assert work(str(run.folder)) == "done"
    with subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdin=subprocess.PIPE) as server:
        wait_for(first.is_done)
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
    assert lines_of(done) == before
    assert len(store.runs()) == len({run.spec for run in store.runs()}) == 9
    stages = [[cell for cell in found_now() if cell.stage == stage] for stage in range(4)]
    path = [best for stage in stages if (best := winner(stage))]
    assert [cell.spec for cell in stages[3] if cell.option == "sgd"] == [path[2].spec]


def test_the_time_left_counts_the_trainings_that_wait_and_the_stages_to_come(blood):
    run = store.create(found_now()[0].spec)
    assert time_left(STAGED, found_now(), {run.spec: run.events()}) is None
    assert work(str(run.folder)) == "done"
    report, limit = run.report(), run.spec.time_limit
    assert report
    assert limit
    seconds = [min(report.seconds * width / 256, limit) for width in (512, 1024, 2048, 4096)]
    left = time_left(STAGED, found_now(), {run.spec: run.events()})
    assert left == pytest.approx(sum(seconds) + 4 * seconds[-1]), "and four more as wide as the widest"
