from __future__ import annotations

import os

import pytest

from tests.faults.worker_faults import FAULTS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.few], ids=str)
def test_the_app_survives(fault, tmp_path):
    outcome = fault.outcome(tmp_path, fault.few)
    if not outcome.n:
        pytest.skip(outcome.figure)
    assert outcome.holds, outcome.figure
