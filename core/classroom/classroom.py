"""The state of one lesson: pupils, rounds, and the drawings as they are handed in.

The threads of two servers use it: that of the pupils and the app's. Each drawing is in the class's test set
(`core/drawing/collection.py`) before it counts here, so that nothing that counts is lost with the server.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import numpy as np

from core.classroom.door import Door, new_code
from core.classroom.quiz import Asked, Quiz
from core.classroom.results import Results, results
from core.drawing import collection
from core.drawing.collection import InClass, LabelledDrawing, Reading
from core.refusal import Refusal

MOST_PUPILS = 60
MOST_AN_HOUR = 300  # drawings of one pupil
HOUR = 3600  # seconds
GRACE = 3  # seconds after the end of a round in which what was drawn in time may arrive
MOST_SHOWN = 60  # newest drawings on the wall
TOKEN = 16  # bytes: 128 bits


@dataclass
class Pupil:
    """Somebody who has joined."""

    number: int  # from 1
    name: str  # after `collection.printable`
    token: str  # the secret of the pupil's browser
    times: deque[float] = field(default_factory=deque)  # of the hour's drawings, seconds of the clock
    done: dict[int, int] = field(default_factory=dict)  # round -> drawings handed in


@dataclass(frozen=True)
class Round:
    """What is asked of every pupil: to draw these digits, in this order; any digits if `asked` is empty."""

    number: int  # from 1
    asked: tuple[int, ...] = ()
    ends: float | None = None  # seconds of the clock; None: when the next one begins


@dataclass(frozen=True)
class Chart:
    """What everybody looks at: the class's own results, or the curves or the confusion matrix of a run."""

    kind: Literal["results", "curves", "matrix"]
    run: str = ""
    name: str = ""  # how the run is called on the screen


@dataclass(frozen=True)
class Drawn:
    """A drawing that was handed in."""

    number: int  # from 1; grows
    pupil: int  # the pupil's number
    drawing: LabelledDrawing

    @property
    def in_class(self) -> InClass:
        """The round in which it was drawn, and the models' answers."""
        assert self.drawing.in_class
        return self.drawing.in_class


Read = Callable[[np.ndarray, int], Sequence[Reading]]  # pixels and label -> what the models answer


class Classroom:
    """One lesson. `version` grows with each change; `closed` is set at its end."""

    def __init__(self, read: Read, clock: Callable[[], float] = time.monotonic) -> None:
        self.lesson = datetime.now().strftime(collection.TIME)
        self.door = Door(clock)
        self.clock = clock
        self.version = 0
        self.closed = threading.Event()
        self.names_hidden = False
        self.rounds = [Round(1)]
        self.quiz: Quiz | None = None  # of now; None while it is a round's time
        self.quizzes = 0  # of the lesson so far
        self.showing: Chart | None = None  # what everybody looks at instead of drawing
        self.pupils: dict[int, Pupil] = {}
        self._read = read
        self._by_token: dict[str, Pupil] = {}
        self._drawn: dict[int, Drawn] = {}
        self._names: dict[int, str] = {}  # of all pupils, also of removed ones
        self._last = 0  # number of the latest drawing
        self._frozen_at: int | None = None  # number of the latest drawing on a frozen wall
        self._taken: Drawn | None = None  # the latest drawing that was taken off the wall
        self._results: tuple[int, Results] | None = None  # of a version
        self._lock = threading.RLock()

    # --- who is there ---

    def join(self, code: str, name: str, address: str) -> Pupil:
        """Let somebody in. Raises: Refusal, for a wrong code, an empty name, a full class, or during a wait."""
        name = collection.printable(name)
        with self._lock:
            if not self.door.admits(code, address):
                raise Refusal("class.wrong_code")
            if not name:
                raise Refusal("class.no_name")
            if len(self.pupils) >= MOST_PUPILS:
                raise Refusal("class.full", most=MOST_PUPILS)
            number = len(self._names) + 1
            pupil = Pupil(number, self._unused(name), secrets.token_hex(TOKEN))
            self.pupils[number] = self._by_token[pupil.token] = pupil
            self._names[number] = pupil.name
            self.version += 1
        return pupil

    def pupil(self, token: str | None) -> Pupil | None:
        """The pupil with this token; None if nobody has it, or the pupil was removed."""
        return self._by_token.get(token or "")

    def rename(self, number: int, name: str) -> None:
        """Give a pupil another name, also in the drawings kept so far. Raises: Refusal."""
        name = collection.printable(name)
        if not name:
            raise Refusal("class.no_name")
        with self._lock:
            if pupil := self.pupils.get(number):
                pupil.name = name
                self._call(number, name)

    def remove(self, number: int) -> None:
        """Send a pupil out, and take the name off the drawings kept so far. Raises: Refusal."""
        with self._lock:
            if pupil := self.pupils.pop(number, None):
                del self._by_token[pupil.token]
                self._call(number, "")

    def change_code(self) -> None:
        """Have whoever joins from now on give another code."""
        with self._lock:
            before = self.door.code
            while self.door.code == before:
                self.door.code = new_code()
            self.version += 1

    def hide_names(self, hidden: bool) -> None:
        """Show the names on the wall, or none."""
        with self._lock:
            self.names_hidden = hidden
            self.version += 1

    def names(self) -> Mapping[int, str]:
        """The name to show for each pupil's number; none if they are hidden."""
        with self._lock:
            return {} if self.names_hidden else dict(self._names)

    def _unused(self, name: str) -> str:
        """The name, or the name and the least number that nobody has."""
        taken = {pupil.name for pupil in self.pupils.values()}
        more = (f"{name[: collection.LONGEST_NICKNAME - 3]} {k}" for k in range(2, MOST_PUPILS + 2))
        return name if name not in taken else next(one for one in more if one not in taken)

    def _call(self, number: int, name: str) -> None:
        self._names[number] = name
        self.version += 1
        for one in [one for one in self._drawn.values() if one.pupil == number]:
            drawing = collection.find(collection.rename(one.drawing.name, name))
            self._drawn[one.number] = replace(one, drawing=drawing)

    # --- what is asked ---

    @property
    def round(self) -> Round:
        """The round of now."""
        return self.rounds[-1]

    def begin(self, asked: Sequence[int], seconds: float | None = None) -> None:
        """Ask the next round: to draw these digits within some seconds, or any digits if there are none."""
        with self._lock:
            now = self.clock()
            last = self.round
            self.rounds[-1] = replace(last, ends=now if last.ends is None else min(now, last.ends))
            self.rounds.append(Round(last.number + 1, tuple(asked), None if seconds is None else now + seconds))
            self.quiz = self.showing = None
            self._frozen_at = None
            self.version += 1

    def begin_quiz(self, what: Asked, seconds: float | None = None) -> Quiz:
        """Show images and ask what they are, with some seconds to answer each. Raises: Refusal."""
        with self._lock:
            self.quiz = Quiz(what, seconds, self._change, self.clock)
            self.quizzes, self.showing = max(self.quizzes, what.number), None
            self.version += 1
            return self.quiz

    def show(self, chart: Chart) -> None:
        """Have everybody look at a chart until the next round or quiz."""
        with self._lock:
            self.quiz, self.showing = None, chart
            self.version += 1

    @property
    def moment(self) -> tuple[int, str]:
        """A value that is another one after each change, also after those that time alone brings."""
        return self.version, self.quiz.stage if self.quiz else ""

    def _change(self) -> None:
        with self._lock:
            self.version += 1

    def left(self) -> float | None:
        """The seconds until the round ends; None if nothing ends it."""
        return None if self.round.ends is None else max(0.0, self.round.ends - self.clock())

    def place(self, pupil: Pupil) -> int:
        """How many drawings of the round the pupil has handed in."""
        return pupil.done.get(self.round.number, 0)

    # --- what is drawn ---

    def hand_in(self, pupil: Pupil, number: int, place: int, label: int, pixels: np.ndarray) -> Drawn | None:
        """Keep a drawing, uint8 (SHEET, SHEET), of a digit 0 to 9; None if it has been handed in before.

        `number` and `place` say for which round it was drawn, and how many of it were handed in before. They are known
        modulo 256.

        Raises:
            Refusal: the round is over or asks for another digit, the pupil has drawn `MOST_AN_HOUR` in an hour, nothing
                is drawn, or it cannot be kept.
        """
        with self._lock:
            now = self.clock()
            current = next((one for one in self.rounds[-2:] if one.number % 256 == number), None)
            if not current or (current.ends is not None and now > current.ends + GRACE):
                raise Refusal("class.over")
            done = pupil.done.get(current.number, 0)
            if done % 256 != place:
                return None
            if current.asked and (done >= len(current.asked) or current.asked[done] != label):
                raise Refusal("class.over")
            while pupil.times and pupil.times[0] <= now - HOUR:
                pupil.times.popleft()
            if len(pupil.times) >= MOST_AN_HOUR:
                raise Refusal("class.too_many", most=MOST_AN_HOUR)
            pupil.times.append(now)
            pupil.done[current.number] = done + 1
        try:
            in_class = InClass(self.lesson, current.number, tuple(self._read(pixels, label)))
            drawing = collection.find(collection.keep(pixels, label, pupil.name, in_class=in_class))
        except BaseException:  # whatever the reason is, the pupil may hand it in again
            with self._lock:
                pupil.times.pop()
                pupil.done[current.number] = done
            raise
        with self._lock:
            self._last += 1
            self.version += 1
            self._drawn[self._last] = found = Drawn(self._last, pupil.number, drawing)
        return found

    # --- the wall ---

    @property
    def frozen(self) -> bool:
        """Whether the wall stays as it is while drawings arrive."""
        return self._frozen_at is not None

    def freeze(self, frozen: bool) -> None:
        """Leave the wall as it is, or let it go on."""
        with self._lock:
            self._frozen_at = self._last if frozen else None
            self.version += 1

    def drawn(self) -> list[Drawn]:
        """All drawings of the lesson that may be shown, oldest first."""
        with self._lock:
            most = self._last if self._frozen_at is None else self._frozen_at
            return [one for number, one in self._drawn.items() if number <= most]

    def take_off(self, number: int) -> None:
        """Take a drawing off the wall and out of the test set. Raises: Refusal."""
        with self._lock:
            if one := self._drawn.get(number):
                collection.delete([one.drawing.name])
                self._taken = self._drawn.pop(number)
                self.version += 1

    def put_back(self) -> None:
        """Show and keep again what was taken off last. Raises: Refusal."""
        with self._lock:
            if one := self._taken:
                drawing = one.drawing
                name = collection.keep(drawing.pixels, drawing.label, drawing.nickname, in_class=drawing.in_class)
                self._drawn[one.number] = replace(one, drawing=collection.find(name))
                self._drawn = dict(sorted(self._drawn.items()))
                self._taken = None
                self.version += 1

    @property
    def taken(self) -> bool:
        """Whether a drawing was taken off that can be put back."""
        return self._taken is not None

    def results(self) -> Results:
        """The results of what may be shown."""
        with self._lock:
            if not self._results or self._results[0] != self.version:
                drawn = self.drawn()
                self._results = self.version, results([one.drawing for one in drawn], [one.pupil for one in drawn])
            return self._results[1]
