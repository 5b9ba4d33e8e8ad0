"""Every way of taking a run away is in one table, and writes a folder that was not there."""

import pytest

from core import store
from core.exports import EXPORTS
from core.refusal import Refusal
from core.spec import RunSpec
from core.work import work


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_fills_a_new_folder_and_refuses_one_that_is_there(home, tmp_path, name):
    run = store.create(RunSpec(data="tiny", split="official", architecture="mlp", epochs=1))
    assert work(str(run.folder)) == "done"
    EXPORTS[name](run, tmp_path / "out")
    assert any((tmp_path / "out").iterdir())
    with pytest.raises(Refusal, match="folder_taken"):
        EXPORTS[name](run, tmp_path / "out")
