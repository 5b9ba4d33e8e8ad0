"""Stores that a stranger has written: hostile run folders, flipped bits, stores of earlier versions."""

from __future__ import annotations

from tests.faults.fault import Fault

FAULTS: tuple[Fault, ...] = ()
