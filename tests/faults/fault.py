"""The record of a fault that the app has to survive, F1 to F30: how it is injected, what must happen and what did.

The tests inject each fault a few times; `python benchmarks/faults.py --update` does it many times and writes the table.
The other modules of this folder hold the faults, each with the tests of the same kind in the file `test_` of its name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.small_data import write_small_data


@dataclass(frozen=True)
class Outcome:
    """What happened when a fault was injected."""

    n: int  # times that it was injected
    figure: str  # what was measured, as the table shows it
    holds: bool  # whether the target is reached


@dataclass(frozen=True)
class Fault:
    """A fault of the list, or one kind of it."""

    number: str  # in the list, such as F1
    what: str  # the fault, and how it is injected
    target: str
    inject: Callable[[Path, int], Outcome]  # with an empty folder and the number of times
    few: int  # times in the tests; 0 for none
    many: int  # times in the campaign

    def __str__(self) -> str:
        return f"{self.number}-{self.inject.__name__}"

    def outcome(self, folder: Path, times: int) -> Outcome:
        """Inject the fault in surroundings of its own."""
        with surroundings(folder):
            return self.inject(folder, times)


@contextlib.contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """Settings that name a store, a cache and small data in this folder (`store`, `cache`, `data`), as before after."""
    here = {name: str(folder / name.lower()) for name in ("STORE", "CACHE", "DATA")}
    here |= {"DEVICE": "cpu", "THREADS": "1"}
    new = {f"BANCADA_{name}": value for name, value in here.items()} | {"LC_ALL": "C.UTF-8"}
    old = {name: os.environ.get(name) for name in new}
    (folder / "data").mkdir(parents=True, exist_ok=True)
    write_small_data(folder / "data")
    os.environ.update(new)
    try:
        yield
    finally:
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
