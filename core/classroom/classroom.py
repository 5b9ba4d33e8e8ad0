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

from core.classroom import race as races
from core.classroom.door import Door
from core.classroom.quiz import Asked, Quiz
from core.classroom.race import Race
from core.classroom.results import Results, results
from core.classroom.rules import Rules
from core.drawing import collection
from core.drawing.collection import InClass, LabelledDrawing, Reading
from core.refusal import Refusal
from core.workers import Workers

MOST_PUPILS = 120
MOST_FROM = 60  # pupils from one address: a whole class, if the school's network has one address for all
UNUSED = 60  # seconds after which a seat that nobody uses may be given to somebody else
MOST_AN_HOUR = 300  # drawings of one pupil
MOST_OF_CLASS = 4000  # drawings an hour, after which only those go on who have drawn less than their equal part
HOUR = 3600  # seconds
GRACE = 8  # seconds after the end of a round in which what was drawn in time may arrive
MOST_SHOWN = 60  # newest drawings on the wall
TOKEN = 16  # bytes: 128 bits


@dataclass
class Pupil:
    """Somebody who has joined."""

    number: int  # from 1
    name: str  # after `collection.printable`
    token: str  # the secret of the pupil's browser
    address: str  # from which the pupil has joined
    since: float  # when, seconds of the clock
    here: int = 0  # connections that are open
    took_part: bool = False  # has handed in a drawing, answered in a quiz or sent an attempt to a race
    times: deque[float] = field(default_factory=deque)  # of the hour's drawings, seconds of the clock
    done: dict[int, int] = field(default_factory=dict)  # round -> drawings handed in
    handing_in: threading.Lock = field(default_factory=threading.Lock)
    latest: bytes = b""  # what was handed in last: the label, and the pixels


@dataclass(frozen=True)
class Round:
    """What is asked of every pupil: to draw these digits, in this order; any digits if `asked` is empty."""

    number: int  # from 1
    asked: tuple[int, ...] = ()
    ends: float | None = None  # seconds of the clock; None: when the next one begins


@dataclass(frozen=True)
class Chart:
    """What everybody looks at: the class's own results, a race's board, or a run's curves or confusion matrix."""

    kind: Literal["results", "board", "curves", "matrix"]
    run: str = ""
    name: str = ""  # how the run is called on the screen


@dataclass(frozen=True)
class UnderWay:
    """What would be cut short if something else began."""

    kind: Literal["quiz", "round", "race"]
    number: int  # from 1


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
    """One lesson. `version` grows with each change; `closed` is set at its end.

    Nothing waits for `_lock` while a file is written, since the pupils' server asks under it what to tell. `_files` is
    held while files that are there already are changed.
    """

    def __init__(self, read: Read, clock: Callable[[], float] = time.monotonic) -> None:
        self.lesson = datetime.now().strftime(collection.TIME)
        self.door = Door(clock)
        self.clock = clock
        self.version = 0
        self.closed = threading.Event()
        self.names_hidden = False
        self.rounds = [Round(1)]
        self.race: Race | None = None  # the latest
        self.racing = False  # whether the pupils see the race, and not the round
        self.quiz: Quiz | None = None  # of now; None while it is a round's time
        self.quizzes = 0  # of the lesson so far
        self.showing: Chart | None = None  # what everybody looks at instead of drawing
        # As the teacher has set it: a kind of question, and seconds for each digit or 0.
        self.to_ask: tuple[str, int] = "another", 0
        self.begun = 0  # how often the teacher has begun something: a round, a quiz, a race or a chart
        self.pupils: dict[int, Pupil] = {}
        self._read = read
        self._by_token: dict[str, Pupil] = {}
        self._sent_out: set[str] = set()  # tokens
        self._drawn: dict[int, Drawn] = {}
        self._names: dict[int, str] = {}  # of all pupils, also of removed ones
        self._times: deque[float] = deque()  # of the hour's drawings of all, seconds of the clock
        self._last = 0  # number of the latest drawing
        self._frozen_at: int | None = None  # number of the latest drawing on a frozen wall
        self._taken: Drawn | None = None  # the latest drawing that was taken off the wall
        self._results: tuple[list[str], Results] | None = None  # of the drawings of these names
        self._lock = threading.RLock()
        self._files = threading.Lock()
        self._counting = threading.Lock()  # one thread counts, the others wait for it

    # --- who is there ---

    def join(self, code: str, name: str, address: str) -> Pupil:
        """Let somebody in. Raises: Refusal, for a wrong code, an empty name, a full class, or during a wait."""
        name = collection.printable(name)
        with self._lock:
            before = self.door.code
            admitted = self.door.admits(code, address)
            self.version += before != self.door.code
            if not admitted:
                raise Refusal("class.wrong_code")
            if not name:
                raise Refusal("class.no_name")
            self._make_room(address)
            number = len(self._names) + 1
            pupil = Pupil(number, self._unused(name), secrets.token_hex(TOKEN), address, self.clock())
            self.pupils[number] = self._by_token[pupil.token] = pupil
            self._names[number] = pupil.name
            self.version += 1
        return pupil

    def _make_room(self, address: str) -> None:
        """See that there is a seat for somebody from this address. Raises: Refusal."""
        now = self.clock()
        for most, key, of in ((MOST_FROM, "class.full_here", address), (MOST_PUPILS, "class.full", None)):
            those = [one for one in self.pupils.values() if of in (None, one.address)]
            unused = (one for one in those if not one.here and not one.took_part and now - one.since >= UNUSED)
            if len(those) >= most:
                if not (oldest := next(unused, None)):
                    raise Refusal(key, most=most)
                self._by_token.pop(oldest.token, None)
                del self.pupils[oldest.number]

    def pupil(self, token: str | None) -> Pupil | None:
        """The pupil with this token; None if nobody has it, or the pupil was removed."""
        return self._by_token.get(token or "")

    def was_sent_out(self, token: str | None) -> bool:
        """Whether the teacher has sent out the pupil who had this token."""
        return token in self._sent_out

    def connected(self, pupil: Pupil, by: int) -> None:
        """Note that the pupil has one connection more (1) or less (-1)."""
        with self._lock:
            pupil.here += by

    def rename(self, number: int, name: str) -> None:
        """Give a pupil another name, also in the drawings kept so far. Raises: Refusal."""
        name = collection.printable(name)
        if not name:
            raise Refusal("class.no_name")
        with self._lock:
            pupil = self.pupils.get(number)
            if not pupil:
                return
            if name != pupil.name:
                self._names[number] = pupil.name = self._unused(name)
            self.version += 1
        if self.race:  # outside the lock, which the race's thread takes while it holds its own
            self.race.rename(number, pupil.name)
        self._rename_in_earlier_races(number, pupil.name)
        self._sign(pupil)

    def remove(self, number: int) -> None:
        """Send a pupil out, and take the name off the drawings kept so far.

        Raises: Refusal, if the name is still on some of them. The pupil is out, and stays in `pupils` for another try.
        """
        with self._lock:
            pupil = self.pupils.get(number)
            if not pupil:
                return
            self._by_token.pop(pupil.token, None)
            self._sent_out.add(pupil.token)
            self._names[number] = ""
            self.version += 1
        if self.race:
            self.race.remove(number)
        self._rename_in_earlier_races(number, "")
        self._sign(pupil)
        with self._lock:
            self.pupils.pop(number, None)
            self.version += 1

    def from_address_of(self, number: int) -> list[int]:
        """The numbers of all who have joined from the same address as this pupil; none if there is no such pupil."""
        with self._lock:
            pupil = self.pupils.get(number)
            return [one.number for one in self.pupils.values() if pupil and one.address == pupil.address]

    def remove_all(self, numbers: Sequence[int]) -> None:
        """Send several pupils out, and take another code, with which they do not come back.

        Raises: Refusal, as `remove` does, after it has tried each.
        """
        self.change_code()
        failed = None
        for number in numbers:
            try:
                self.remove(number)
            except Refusal as refusal:
                failed = refusal
        if failed:
            raise failed

    def change_code(self) -> None:
        """Have whoever joins from now on give another code; nobody has to wait any more."""
        with self._lock:
            self.door.change()
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
        more = (f"{name[: collection.LONGEST_NICKNAME - 4]} {k}" for k in range(2, MOST_PUPILS + 2))
        return name if name not in taken else next(one for one in more if one not in taken)

    def _sign(self, pupil: Pupil) -> None:
        """Write the name of now into all drawings of the pupil. Raises: Refusal, after it has tried each."""
        failed, signed = None, False
        with pupil.handing_in:
            with self._lock:
                theirs = [one.number for one in self._drawn.values() if one.pupil == pupil.number]
            for number in theirs:
                try:
                    signed |= self._sign_one(number)
                except Refusal as refusal:
                    failed = refusal
        if signed:
            collection.sync_names()
        if failed:
            raise failed

    def _sign_one(self, number: int) -> bool:
        """Write the name of now into a drawing; whether it had another one. Raises: Refusal."""
        with self._files:  # for one drawing at a time: every tab that looks for deleted ones waits here
            one = self._drawn.get(number)
            if not one or one.drawing.nickname == self._names[one.pupil]:
                return False
            try:
                drawing = collection.find(collection.rename(one.drawing.name, self._names[one.pupil]))
            except Refusal as refusal:
                if refusal.key != "error.drawing_gone":
                    raise
                self._forget(number)  # deleted among *Our drawings*, the name with it
                return False
            with self._lock:
                self._drawn[number] = replace(one, drawing=drawing)
            return True

    def _forget(self, number: int) -> Drawn | None:
        with self._lock:
            self.version += 1
            return self._drawn.pop(number, None)

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
            self.racing = False  # those who wait for their turn need not watch
            self._begin()

    def begin_quiz(self, what: Asked, seconds: float | None = None) -> Quiz:
        """Show images and ask what they are, with some seconds to answer each. Raises: Refusal."""
        with self._lock:
            # Two tabs may have prepared theirs at the same time, and each has a file of its own.
            what = what.model_copy(update={"number": max(what.number, self.quizzes + 1)})
            self.quiz = Quiz(what, seconds, self._change, self.clock)
            self.quizzes, self.showing, self.racing = what.number, None, False
            self._begin()
            return self.quiz

    def show(self, chart: Chart) -> None:
        """Have everybody look at a chart until the next round or quiz."""
        with self._lock:
            self.quiz, self.showing, self.racing = None, chart, False
            self._begin()

    def _begin(self) -> None:
        self.begun += 1
        self.version += 1

    @property
    def asking(self) -> bool:
        """Whether a quiz is on that has not ended yet."""
        return self.quiz is not None and self.quiz.stage != "end"

    @property
    def under_way(self) -> UnderWay | None:
        """The quiz that is on, or the round that somebody who is there still draws for; None if neither is."""
        with self._lock:
            if self.asking:
                return UnderWay("quiz", self.quizzes)
            current = self.round
            if self.quiz or self.showing or self.racing or self.left() == 0:
                return None
            theirs = (one.done.get(current.number, 0) for one in self.pupils.values() if one.here)
            return UnderWay("round", current.number) if any(done < len(current.asked) for done in theirs) else None

    @property
    def quizzed(self) -> UnderWay | None:
        """The quiz that somebody who is there has still to do with: an image that is asked, or one that follows it."""
        with self._lock:
            left = self.quiz is not None and self.quiz.has_more
            return UnderWay("quiz", self.quizzes) if left and any(one.here for one in self.pupils.values()) else None

    @property
    def raced(self) -> UnderWay | None:
        """The race in which attempts wait or are at work."""
        race = self.race
        going = race and not race.record.ended and (race.at_work() or race.waiting())
        return UnderWay("race", race.record.number) if race and going else None

    @property
    def moment(self) -> tuple[int, str]:
        """A value that is another one after each change, also after those that time alone brings."""
        return self.version, self.quiz.stage if self.quiz else ""

    def left(self) -> float | None:
        """The seconds until the round ends; None if nothing ends it."""
        return self._left(self.round)

    def _left(self, current: Round) -> float | None:
        return None if current.ends is None else max(0.0, current.ends - self.clock())

    def place(self, pupil: Pupil) -> tuple[Round, int, float | None]:
        """The round, how many drawings of it the pupil has handed in, and the seconds left, which belong together."""
        current = self.round  # read once: the next one may begin meanwhile
        return current, pupil.done.get(current.number, 0), self._left(current)

    # --- a race ---

    def begin_race(self, rules: Rules, workers: Workers) -> Race:
        """Begin a race; the one before, if there is one, ends. Raises: Refusal."""
        race, before = Race(rules, self.lesson, workers, self._change, self.clock), self.race
        if before:
            before.close()
        race.start()
        with self._lock:
            self.race, self.racing = race, True
            self.quiz = self.showing = None
            self._begin()
        return race

    @property
    def shows_board(self) -> bool:
        """Whether the projector shows the board of the race: while the pupils race, or look at it."""
        return self.racing or (self.showing is not None and self.showing.kind == "board")

    def _rename_in_earlier_races(self, number: int, name: str) -> None:
        for record in races.records(self.lesson):
            if not self.race or record.number != self.race.record.number:
                races.rename(record, number, name)

    def watch_race(self) -> None:
        """Have the pupils see the race again."""
        with self._lock:
            self.racing = self.race is not None
            self.quiz = self.showing = None
            self._begin()

    def _change(self) -> None:
        with self._lock:
            self.version += 1

    # --- what is drawn ---

    def hand_in(
        self, pupil: Pupil, number: int, place: int, label: int, pixels: np.ndarray, arrived: float | None = None
    ) -> Drawn | None:
        """Keep a drawing, uint8 (SHEET, SHEET), of a digit 0 to 9; None if it has been handed in before.

        `number` and `place` say for which round it was drawn, and how many of it were handed in before. They are known
        modulo 256. `arrived`: when, seconds of the clock; None: now.

        Raises:
            Refusal: the pupil was removed, the round is over or asks for another digit, the pupil has drawn
                `MOST_AN_HOUR` or all of them `MOST_OF_CLASS` in an hour, nothing is drawn, or it cannot be kept.
        """
        sent = bytes([label]) + pixels.tobytes()
        with pupil.handing_in:  # sent again over a new connection, it waits for what becomes of the first
            current, done = self._round_of(pupil, number, arrived)
            # A page that was loaded anew meanwhile knows of one drawing less; of any digits, it sends a new one.
            if done % 256 != place and (current.asked or sent == pupil.latest):
                return None
            self._check(pupil, current, done, label)
            read = tuple(self._read(pixels, label))
            in_class = InClass(self.lesson, current.number, read, pupil.number)
            drawing = collection.find(collection.keep(pixels, label, pupil.name, in_class=in_class))
            with self._lock:
                now = self.clock()
                pupil.times.append(now)
                self._times.append(now)
                pupil.done[current.number], pupil.latest = done + 1, sent  # from now on it is not sent again
                pupil.took_part = True
                self._last += 1
                self.version += 1
                self._drawn[self._last] = found = Drawn(self._last, pupil.number, drawing)
        return found

    def _round_of(self, pupil: Pupil, number: int, arrived: float | None) -> tuple[Round, int]:
        """The round that a drawing belongs to, and how many of it the pupil has handed in. Raises: Refusal."""
        with self._lock:
            if pupil.token not in self._by_token:
                raise Refusal("class.pupil.out")
            current = next((one for one in reversed(self.rounds) if one.number % 256 == number), None)
            came = self.clock() if arrived is None else arrived
            if not current or (current.ends is not None and came > current.ends + GRACE):
                raise Refusal("class.over")
            return current, pupil.done.get(current.number, 0)

    def _check(self, pupil: Pupil, current: Round, done: int, label: int) -> None:
        """Raises: Refusal, if the round asks for no drawing of this digit next, or too many were made in an hour."""
        with self._lock:
            if current.asked and (done >= len(current.asked) or current.asked[done] != label):
                raise Refusal("class.over")
            for times in (pupil.times, self._times):
                while times and times[0] <= self.clock() - HOUR:
                    times.popleft()
            if len(pupil.times) >= MOST_AN_HOUR:
                raise Refusal("class.too_many", most=MOST_AN_HOUR)
            if len(self._times) >= MOST_OF_CLASS and len(pupil.times) >= MOST_OF_CLASS // MOST_PUPILS:
                raise Refusal("class.too_many_of_all", most=MOST_OF_CLASS)

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
            return [one for one in self.kept() if self._frozen_at is None or one.number <= self._frozen_at]

    def kept(self) -> list[Drawn]:
        """All drawings of the lesson, also those that a frozen wall does not show, oldest first."""
        with self._lock:
            return list(self._drawn.values())

    def off(self) -> list[int]:
        """The numbers of the drawings that were taken off the wall or deleted."""
        with self._lock:
            return [number for number in range(1, self._last + 1) if number not in self._drawn]

    def forget_deleted(self) -> None:
        """Neither show nor count what was deleted among *Our drawings*."""
        with self._files:  # no file gets another name meanwhile
            drawn = self.kept()
            gone = collection.missing(one.drawing.name for one in drawn)
            for one in drawn:
                if one.drawing.name in gone:
                    self._forget(one.number)

    def take_off(self, number: int) -> None:
        """Take a drawing off the wall and out of the test set. Raises: Refusal."""
        with self._files:
            if one := self._drawn.get(number):
                collection.delete([one.drawing.name])
                self._taken = self._forget(number)

    def put_back(self) -> None:
        """Show and keep again what was taken off last. Raises: Refusal."""
        with self._files:
            if one := self._taken:
                drawing = one.drawing
                name = collection.keep(drawing.pixels, drawing.label, self._names[one.pupil], in_class=drawing.in_class)
                again = replace(one, drawing=collection.find(name))
                with self._lock:
                    self._drawn = dict(sorted({**self._drawn, one.number: again}.items()))
                    self._taken = None
                    self.version += 1

    @property
    def taken(self) -> bool:
        """Whether a drawing was taken off that can be put back."""
        return self._taken is not None

    def shown(self) -> tuple[list[Drawn], Results]:
        """All drawings of the lesson that may be shown, oldest first, and their results."""
        with self._counting:
            drawn = self.drawn()
            names = [one.drawing.name for one in drawn]
            if not self._results or self._results[0] != names:
                self._results = names, results([one.drawing for one in drawn], [one.pupil for one in drawn])
            return drawn, self._results[1]

    def results(self) -> Results:
        """The results of what may be shown."""
        return self.shown()[1]
