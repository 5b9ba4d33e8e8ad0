"""Stores of earlier formats: every one opens, and nothing in it changes until somebody asks for it."""

import hashlib
import shutil
from pathlib import Path

import pytest

from core import __main__ as command_line
from core import store
from core.drawing import collection
from core.events import Started
from core.measures.answers import stored_answers
from core.models.model import open_model
from core.store import Run
from core.work import work
from tests.golden import GOLDEN, STATUSES, write

STORES = sorted(path.name for path in GOLDEN.iterdir())


@pytest.fixture(params=STORES)
def golden(request, home) -> Path:
    shutil.copytree(GOLDEN / request.param, home)
    return home


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_todays_code_can_lay_up_a_store_for_later_versions(home):
    write(home)
    found = {run.name: run.facts()["status"] for run in store.runs()}
    assert found == {f"golden-{status}": status for status in (*STATUSES, "queued")}
    assert len(collection.kept(home)) == 2


def test_a_store_of_an_earlier_format_is_read_whole_and_not_changed_by_reading(golden, capsys):
    before = contents(golden)
    found = {run.name: run.facts() for run in store.runs()}
    assert {name: facts["status"] for name, facts in found.items()} == {
        f"golden-{status}": status for status in (*STATUSES, "queued")
    }
    assert found["golden-done"]["accuracy"] is not None
    for status in STATUSES:
        run = Run(golden / f"golden-{status}")
        assert run.label().tags == ("tiny",)
        assert run.events()
        assert run.damaged_lines() == 0
        if status != "failed":
            assert open_model(run).probabilities is not None
    done = Run(golden / "golden-done")
    for split in ("val", "test"):
        assert stored_answers(done, split) is not None
    assert [(one.label, one.nickname) for one in collection.kept(golden)] == [(1, "Ana"), (7, "Ana")]
    assert command_line.main(["runs", "--json"]) == 0
    assert command_line.main(["evaluate", "golden-done"]) == 0
    assert "golden-done" in capsys.readouterr().out
    assert contents(golden) == before


def test_an_unfinished_run_of_an_earlier_format_goes_on_from_its_checkpoint(golden):
    run = Run(golden / "golden-interrupted")
    step = run.checkpoints()[-1].step
    assert work(str(run.folder)) == "done"
    assert run.events(Started)[-1].step == step > 0
    assert run.damaged_lines() == 0
