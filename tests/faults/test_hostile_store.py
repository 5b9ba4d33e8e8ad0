from __future__ import annotations

import pytest

from tests.faults.hostile_store import FAULTS


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.few], ids=str)
def test_the_app_survives(fault, tmp_path):
    outcome = fault.outcome(tmp_path, fault.few)
    assert outcome.holds, outcome.figure
