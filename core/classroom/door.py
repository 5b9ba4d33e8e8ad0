"""The door of a class: a code of four digits, a wait for whoever guesses it, and a longer code for many who guess."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable

from core.refusal import Refusal

SHORTEST, LONGEST = 4, 8  # digits of the code
MOST_WRONG = 5  # wrong codes from one address, which a whole school may share, until it has to wait
FIRST_WAIT, LONGEST_WAIT = 60, 3600  # seconds; each wait is twice as long as the one before
MOST_GUESSED = 1 / 200  # share of all codes that may be tried from anywhere, before the code gets longer
MOST_ADDRESSES = 1000  # that are remembered


class Door:
    """Admits those who know the code, which is another one each time.

    Waiting by address alone stops nobody who has many addresses, and a wait for all would keep the class out. So the
    code gets two digits more after so many wrong ones that a guess might soon be right: who can see the board reads it
    there, and who guesses begins again, with a hundred times as many to try.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.code = new_code()
        self._guessed = 0  # wrong codes since the code is this one
        self._wrong: dict[str, tuple[int, float]] = {}  # address -> wrong codes, end of the wait

    def admits(self, code: str, address: str) -> bool:
        """Whether this is the code. Raises: Refusal, while the address has to wait, whatever code it gives."""
        wrong, until = self._wrong.pop(address, (0, -math.inf))
        if self.clock() < until:
            self._wrong[address] = wrong, until
            raise Refusal("class.wait", seconds=math.ceil(until - self.clock()))
        # In constant time: how long it takes says nothing about how many digits are right.
        if secrets.compare_digest(code.encode(errors="replace"), self.code.encode()):
            return True
        wrong += 1
        if wrong % MOST_WRONG == 0:
            until = self.clock() + min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(20, wrong // MOST_WRONG - 1))
        self._wrong[address] = wrong, until  # the last of all: those that ask least often are forgotten first
        if len(self._wrong) > MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        self._guessed += 1
        if len(self.code) < LONGEST and self._guessed >= MOST_GUESSED * 10 ** len(self.code):
            self.change(len(self.code) + 2)
        return False

    def change(self, digits: int | None = None) -> None:
        """Have another code, of as many digits or of so many. What was tried is worth nothing: nobody waits."""
        before = self.code
        while self.code == before:
            self.code = new_code(digits or len(before))
        self._guessed = 0
        self._wrong.clear()


def new_code(digits: int = SHORTEST) -> str:
    """So many digits, drawn by chance."""
    return f"{secrets.randbelow(10**digits):0{digits}d}"
