"""The searches of report 002: the trainings they need, the way from stage to stage, and what is not done twice."""

import json

import pytest

from core import store
from core.__main__ import main
from core.recipes.search import SEARCHES, accuracies_of, cells, known_runs, winner
from core.work import work

STAGED, GRID = SEARCHES["002-a"], SEARCHES["002-c"]


def test_the_staged_search_takes_twelve_trainings_nine_with_reuse_and_the_reports_path():
    figures = {}
    while missing := [cell for cell in cells(STAGED, figures) if cell.measured is None]:
        figures |= {cell.spec: cell.reported for cell in missing}
    found = cells(STAGED, figures)
    assert (len(found), len({cell.spec for cell in found})) == (12, 9)
    best = [winner(cell for cell in found if cell.stage == stage) for stage in range(4)]
    assert [cell.option for cell in best if cell] == [4096, "relu", 0.25, "sgd"]
    assert best[-1]
    assert best[-1].spec.layers == SEARCHES["002-a"].spec({**STAGED.start, "width": 4096, "dropout": 0.25}).layers


def test_a_stage_is_known_once_the_one_before_it_is_measured():
    assert [cell.stage for cell in cells(STAGED, {})] == 5 * [0]
    figures = {cell.spec: cell.reported for cell in cells(STAGED, {})}
    second = cells(STAGED, figures)[5:]
    assert [(cell.option, cell.measured) for cell in second] == [("relu", 0.8832), ("sigmoid", None)]
    assert winner(second) is None


def test_the_grid_has_twenty_cells_with_the_best_at_64_filters_of_9():
    found = cells(GRID, {})
    assert len({cell.spec for cell in found}) == 20
    assert max(found, key=lambda cell: cell.reported).option == (64, 9)
    spec = GRID.spec({"convolution": (64, 9)})
    assert (spec.split, spec.val_fraction, spec.epochs, spec.test_use) == ("first_last", 0.3, 100, "once")
    assert sum(row.parameters for row in spec.table((3, 28, 28), 8)) == 115_976


@pytest.mark.parametrize("name", SEARCHES)
def test_a_short_search_takes_a_minute_at_most(name):
    search = SEARCHES[name]
    spec = cells(search, {}, "short")[0].spec
    assert spec.time_limit
    assert spec.time_limit * sum(len(stage.reported) for stage in search.stages) <= 60


def test_a_search_that_was_broken_off_goes_on_without_repeating_what_is_done(home, capsys):
    first, second = (cell.spec for cell in cells(GRID, {}, "short", data="tiny")[:2])
    done, begun = store.create(first), store.create(second)
    assert work(str(done.folder)) == "done"
    begun.ask("stop")
    before = (done.folder / "events.jsonl").read_bytes()
    assert known_runs(store.runs()) == {first: done, second: begun}

    command = ["recipes", "run", "002-c", "--variant", "short", "--data", "tiny", "--json"]
    assert main(command) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [line for line in lines if "stage" in line]
    assert [tuple(line["option"]) for line in told] == list(GRID.stages[0].reported)
    accuracies = accuracies_of(known_runs(store.runs()))
    assert [line["measured"] for line in told[:2]] == [accuracies[first], accuracies[second]]
    assert sum(line["winner"] for line in told) == 1
    assert len(store.runs()) == 20
    assert (done.folder / "events.jsonl").read_bytes() == before

    assert main(command) == 0, "all is done: nothing is left to train"
    assert len(store.runs()) == 20
