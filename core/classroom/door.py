"""The door of a class: a code of four digits, and a wait for whoever guesses it."""

from __future__ import annotations

import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from core.refusal import Refusal

MOST_WRONG = 5  # wrong codes from one address until it has to wait
FIRST_WAIT, LONGEST_WAIT = 60, 3600  # seconds; each wait is twice as long as the one before
MOST_ADDRESSES = 1000  # that are remembered


class Door:
    """Admits those who know the code, which is another one each time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.code = new_code()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # address -> wrong codes, end of the wait

    def admits(self, code: str, address: str) -> bool:
        """Whether this is the code. Raises: Refusal, while the address has to wait, whatever code it gives."""
        wrong, until = self._wrong.get(address, (0, -math.inf))
        if self.clock() < until:
            raise Refusal("class.wait", seconds=math.ceil(until - self.clock()))
        # In constant time: how long it takes says nothing about how many digits are right.
        if secrets.compare_digest(code.encode(errors="replace"), self.code.encode()):
            self._wrong.pop(address, None)
            return True
        wrong += 1
        if wrong % MOST_WRONG == 0:
            until = self.clock() + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(20, wrong // MOST_WRONG - 1))
        self._wrong[address] = wrong, until
        self._wrong.move_to_end(address)
        if len(self._wrong) > MOST_ADDRESSES:
            self._wrong.popitem(last=False)
        return False


def new_code() -> str:
    """Four digits, drawn by chance."""
    return f"{secrets.randbelow(10_000):04d}"
