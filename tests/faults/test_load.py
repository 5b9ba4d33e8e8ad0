from __future__ import annotations

import pytest

from tests.faults import downloads, live, models, places, sessions

FAULTS = (*downloads.FAULTS, *live.FAULTS, *models.FAULTS, *places.FAULTS, *sessions.FAULTS)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.few], ids=str)
def test_the_app_survives(fault, tmp_path):
    outcome = fault.outcome(tmp_path, fault.few)
    assert outcome.holds, outcome.figure
