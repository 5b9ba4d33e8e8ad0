"""A race of a class: pupils choose hyperparameters, and their trainings take turns by person.

The race holds the waiting list and hands one run at a time to the app's queue, so that the teacher's own runs wait for
one training of the class and not for all. Everything that cannot be found in the runs' own folders is in one file a
race, rewritten at each change: from it and the runs the board can be made at any time (`core/classroom/board.py`).
Whoever chooses what somebody has chosen before shares that run: with the same seed it would come to the same.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from core import settings, store
from core.classroom.rules import MOST_CHOICES, MOST_SECONDS, Rules
from core.drawing import collection
from core.events import Epoch, Failure, Started, Step, seconds_left
from core.files import content, written_aside
from core.refusal import Refusal, writing
from core.store import Label, Run
from core.workers import Workers

FOLDER = "_races"  # in the store; no run has such a name
TAG = "race"  # of the runs
MOST_IN_ALL = 400  # attempts in one race
MOST_WAITING = 2  # of one pupil
MOST_BYTES = 2**20  # of a file
LONGEST_TITLE = collection.LONGEST_NICKNAME  # letters
LOOKS = 0.1  # seconds between two looks at the queue
PULSE = 1.0  # seconds between two changes of `version` while a run is at work
START = 3.0  # seconds from the end of a run to the first step of the next, until the race has measured it

_NAME = re.compile(r"(\d{8}-\d{6}-\d{6})-(\d{1,4})\.json")
State = Literal["waiting", "next", "training", "trained", "stopped", "failed", "lost"]


def _time(written: str) -> str:
    datetime.strptime(written, collection.TIME)
    return written


RunName = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,150})?$")]


class Attempt(BaseModel):
    """What one pupil has chosen."""

    model_config = ConfigDict(frozen=True)

    number: Annotated[int, Field(ge=1)]  # grows
    pupil: int  # the pupil's number in the lesson
    nickname: Annotated[str, Field(max_length=collection.LONGEST_NICKNAME)]  # "" of somebody who was sent out
    title: Annotated[str, Field(max_length=LONGEST_TITLE)]
    places: Annotated[tuple[int, ...], Field(max_length=MOST_CHOICES)]  # of the values in the lists of the rules
    run: RunName = ""  # "" while the attempt waits
    took_turn: bool = False  # the run began at this attempt's turn; others share it
    stopped: bool = False  # only of one with a run: one that waits is forgotten


class Record(BaseModel):
    """What is stored of a race."""

    model_config = ConfigDict(frozen=True)

    lesson: Annotated[str, Field(max_length=40), AfterValidator(_time)]  # see `InClass.lesson`
    number: Annotated[int, Field(ge=1, le=9999)]  # of the race in the lesson
    rules: Rules
    attempts: Annotated[tuple[Attempt, ...], Field(max_length=MOST_IN_ALL)] = ()
    taken_off: tuple[RunName, ...] = ()  # runs to delete when no worker holds them any more
    ended: bool = False  # nobody can send anything any more

    @model_validator(mode="after")
    def _chose_what_is_offered(self) -> Self:
        for one in self.attempts:
            self.rules.chosen(one.places)
        return self

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.lesson}-{self.number}.json"


def in_turn(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Those that wait, in the order of their turns: everybody's first turn before anybody's second, then by arrival."""
    turns = Counter(one.pupil for one in attempts if one.took_turn)
    order = []
    for one in sorted(attempts, key=lambda one: one.number):
        if not one.run and not one.stopped:
            turns[one.pupil] += 1
            order.append((turns[one.pupil], one.number, one))
    return [one for _, _, one in sorted(order, key=lambda turn: turn[:2])]


@dataclass(frozen=True)
class Progress:
    """How far a training is."""

    share: float  # 0 to 1
    left: float | None  # seconds; None before the second step
    curve: tuple[float, ...]  # val accuracy of each epoch


class Race:
    """A race that is on. The threads of two servers use it.

    `_lock` is held while files are written, so what phones are told every second is read without it.

    Args:
        rules: what may be chosen.
        lesson: the lesson's time, see `InClass.lesson`.
        workers: the app's queue.
        changed: called after each change, and every second while a run is at work.
        clock: seconds.
    """

    def __init__(
        self,
        rules: Rules,
        lesson: str,
        workers: Workers,
        changed: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.record = Record(lesson=lesson, number=_unused(lesson), rules=rules)
        self._workers, self._changed, self._clock = workers, changed, clock
        self._handed: dict[str, float] = {}  # runs that the app's queue has -> since when, seconds of the clock
        self._took: list[float] = []  # seconds of the turns so far
        self._out: set[int] = set()  # pupils who were sent out
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._last = 0
        self.version = 0  # grows when the board may be another one
        self._keep(self.record)

    def start(self) -> None:
        """Give turns, in a thread, until the race is closed."""
        threading.Thread(target=self._serve, name="race", daemon=True).start()

    def close(self) -> None:
        """Give no more turns; what the queue has is trained, what waits is forgotten."""
        with contextlib.suppress(Refusal):  # on a full disk, it is stored as it was
            self.end()
        self._closed.set()

    # --- what pupils do ---

    def send(self, pupil: int, nickname: str, title: str, places: Sequence[int]) -> Attempt:
        """Take an attempt. Raises: Refusal, for what is not offered, and for more than a pupil or a race may send."""
        title = collection.printable(title)
        with self._lock:
            rules = self.record.rules
            if self.record.ended:
                raise Refusal("race.over")
            if pupil in self._out:  # after the server has let the message in
                raise Refusal("class.pupil.out")
            rules.chosen(places)
            if not title:
                raise Refusal("race.no_title")
            own = [one for one in self.record.attempts if one.pupil == pupil]
            if len(own) >= rules.attempts:
                raise Refusal("race.enough", most=rules.attempts)
            if sum(not one.run and not one.stopped for one in own) >= MOST_WAITING:
                raise Refusal("race.waits", most=MOST_WAITING)
            if len(self.record.attempts) >= MOST_IN_ALL:
                raise Refusal("race.full", most=MOST_IN_ALL)
            places = tuple(places)
            number = max((self._last, *(one.number for one in self.record.attempts))) + 1
            attempt = Attempt(
                number=number,
                pupil=pupil,
                nickname=nickname,
                title=title,
                places=places,
                run=self._run_with(places),
            )
            self._keep(self.record.model_copy(update={"attempts": (*self.record.attempts, attempt)}))
            self._last = number
        return attempt

    def stop(self, pupil: int, number: int) -> None:
        """Take a pupil's own attempt back: one that waits is forgotten, a training that nobody shares is stopped.

        Raises: Refusal, if the pupil has no such attempt, or it has ended.
        """
        with self._lock:
            found = self._attempt(number)
            if not found or found.pupil != pupil or self.state(found) not in ("waiting", "next", "training"):
                raise Refusal("race.not_yours")
            self._leave(found)

    def rename(self, pupil: int, nickname: str) -> None:
        """Give a pupil's attempts another nickname. Raises: Refusal."""
        with self._lock:
            self._keep(_renamed(self.record, pupil, nickname))

    def remove(self, pupil: int) -> None:
        """Stop what a pupil who is sent out has sent, and take the names off what was trained. Raises: Refusal."""
        with self._lock:
            self._out.add(pupil)
            for one in [one for one in self.record.attempts if one.pupil == pupil]:
                if self.state(one) in ("waiting", "next", "training"):
                    self._leave(one)
            self._keep(_renamed(self.record, pupil, ""))

    # --- what the teacher does ---

    def take_off(self, number: int) -> None:
        """Delete an attempt, and its run if nobody shares it. Raises: Refusal."""
        with self._lock:
            found = self._attempt(number)
            if not found:
                return
            attempts = tuple(one for one in self.record.attempts if one.number != number)
            runs = {found.run} - {"", *(one.run for one in self._sharing(found.run) if one is not found)}
            taken_off = (*self.record.taken_off, *runs)
            self._keep(self.record.model_copy(update={"attempts": attempts, "taken_off": taken_off}))
            for name in runs & set(self._handed):
                self._workers.stop(_run(name))

    def end(self) -> None:
        """Take no more attempts, and forget those that wait."""
        with self._lock:
            if not self.record.ended:
                self._keep(_ended(self.record))

    def read_test(self, runs: Iterable[str]) -> None:
        """Have the test split read for trained runs of a race that has ended. Raises: Refusal."""
        with self._lock:
            if not self.record.ended:
                raise Refusal("race.not_over")
            for name in runs:
                run = _run(name)
                if run.status() == "trained":
                    run.ask("run", test=True)
                    self._workers.submit(run)
                    self._handed[name] = self._clock()
            self._changed()

    # --- what is shown ---

    def state(self, attempt: Attempt) -> State:
        """What has become of an attempt."""
        if attempt.stopped:
            return "stopped"
        if not attempt.run:
            return "waiting"
        run = _run(attempt.run)
        place = None if run.is_trained() else self._workers.place(run)
        if place is None:  # also in the moment before the queue has the run
            return "next" if attempt.run in self._handed and not run.is_trained() else state_of(run)
        return "next" if place else "training"

    def waiting(self) -> list[Attempt]:
        """The attempts that wait, in the order of their turns."""
        return in_turn(self.record.attempts)

    def at_work(self) -> list[str]:
        """The names of the runs that the app's queue has."""
        return list(self._handed)

    def is_held_up(self) -> bool:
        """Whether trainings that are not the race's go first, whose end the race does not know."""
        places = [self._workers.place(_run(name)) for name in self.at_work()]
        return bool(places) and all(places)

    def seconds_a_turn(self) -> float:
        """The mean seconds of a turn; as long as the rules allow until one has ended."""
        took = list(self._took)
        return sum(took) / len(took) if took else self.record.rules.seconds + START

    def seconds_to(self, place: int) -> float:
        """The seconds until the turn at this place of the waiting list (1 is the first), as far as is known."""
        turn, at_once = self.seconds_a_turn(), settings.runs_at_once()
        running = [max(0.0, turn - (self._clock() - since)) for since in list(self._handed.values())]
        return (min(running) if len(running) >= at_once else 0.0) + (place - 1) * turn / at_once

    # --- turns ---

    def step(self) -> None:
        """Look at what has ended, and give the next turns. Raises: Refusal."""
        with self._lock:
            self._look()
            while len(self._handed) < settings.runs_at_once() and (order := self.waiting()):
                self._begin(order[0])

    def _look(self) -> None:
        """Note which trainings have ended, and delete those runs that are to be."""
        for name in list(self._handed):
            place = self._workers.place(_run(name))
            if place:  # behind a training of the teacher's: its turn has not begun
                self._handed[name] = self._clock()
            if place is None:
                self._took.append(self._clock() - self._handed.pop(name))
                self.version += 1
                self._changed()
        left = tuple(name for name in self.record.taken_off if name in self._handed or not _is_deleted(name))
        # Not stored: the file may have been deleted after the race, and the name of a run that is gone does no harm.
        self.record = self.record.model_copy(update={"taken_off": left})

    def _begin(self, attempt: Attempt) -> None:
        """Train what an attempt has chosen, for all who have chosen the same."""
        run = store.create(self.record.rules.spec_of(attempt.places), label=Label(tags=(TAG,)), test=False)
        same = {one.number for one in self.waiting() if one.places == attempt.places}
        try:
            self._keep_attempts(
                one.model_copy(update={"run": run.name, "took_turn": one.number == attempt.number})
                if one.number in same
                else one
                for one in self.record.attempts
            )
        except Refusal:
            run.delete()  # nobody would know it
            raise
        self._handed[run.name] = self._clock()
        self._workers.submit(run)

    def _serve(self) -> None:
        told = self._clock()
        while not self._closed.wait(LOOKS):
            try:
                self.step()
            except (Refusal, OSError) as error:  # a full disk: it is tried again
                print(f"race: {error!r}", file=sys.stderr, flush=True)
                self._closed.wait(PULSE)
            if self._handed and self._clock() - told >= PULSE:
                told = self._clock()
                self._changed()
        until = time.monotonic() + MOST_SECONDS
        while self.record.taken_off and time.monotonic() < until:  # their workers end still
            time.sleep(LOOKS)
            with self._lock:
                self._look()

    def _run_with(self, places: tuple[int, ...]) -> str:
        """The name of the run with these choices that is trained or at work; "" if there is none."""
        for one in self.record.attempts:
            if one.run and one.places == places and self._is_good(one.run):
                return one.run
        return ""

    def _is_good(self, name: str) -> bool:
        run = _run(name)
        return run.is_trained() or (self._workers.place(run) is not None and run.control().wanted != "stop")

    def _sharing(self, run: str) -> list[Attempt]:
        return [one for one in self.record.attempts if one.run == run and not one.stopped]

    def _leave(self, attempt: Attempt) -> None:
        """Forget an attempt that waits, or stop its run unless it is shared."""
        if not attempt.run:
            self._keep_attempts(one for one in self.record.attempts if one.number != attempt.number)
            return
        if self._sharing(attempt.run) == [attempt]:
            self._workers.stop(_run(attempt.run))
        self._keep_attempts(
            one.model_copy(update={"stopped": True}) if one.number == attempt.number else one
            for one in self.record.attempts
        )

    def _attempt(self, number: int) -> Attempt | None:
        return next((one for one in self.record.attempts if one.number == number), None)

    def _keep_attempts(self, attempts: Iterable[Attempt]) -> None:
        self._keep(self.record.model_copy(update={"attempts": tuple(attempts)}))

    def _keep(self, record: Record) -> None:
        """Store the race as it is now, before anybody sees it. Raises: Refusal."""
        _write(record)
        self.record = record
        self.version += 1
        self._changed()


def _write(record: Record) -> None:
    folder = _folder()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with written_aside(folder / record.file, durable=True) as file:
            file.write(record.model_dump_json().encode())


def records(lesson: str | None = None) -> list[Record]:
    """The stored races, oldest first, except damaged ones; those of one lesson, if it is named."""
    found = []
    for name in _names():
        with contextlib.suppress(OSError, ValueError, ValidationError, RecursionError):
            record = Record.model_validate_json(content(_folder() / name, MOST_BYTES))
            if name == record.file and lesson in (None, record.lesson):
                found.append(record)
    return sorted(found, key=lambda one: (one.lesson, one.number))


def end_left() -> None:
    """End the stored races that a killed server has left as if they were on, and delete what was taken off them.

    Raises: Refusal.
    """
    for record in records():
        left = tuple(name for name in record.taken_off if not _is_deleted(name))
        if not record.ended or left != record.taken_off:
            _write(_ended(record).model_copy(update={"taken_off": left}))


def _is_deleted(name: str) -> bool:
    """Delete a run of a race, unless a worker holds it; whether it is gone, or bears the race's tag no more."""
    with contextlib.suppress(Refusal):
        if not (run := _tagged(name)):
            return True
        run.delete()
        return True
    return False


def _tagged(name: str) -> Run | None:
    """A run that bears the race's tag; None without one: a file of strangers may name any run. Raises: Refusal."""
    try:
        run = store.find(name)
    except Refusal:  # deleted before
        return None
    return run if TAG in run.label().tags else None


def _ended(record: Record) -> Record:
    """The race at its end, without what waited."""
    left = tuple(one for one in record.attempts if one.run)
    return record.model_copy(update={"attempts": left, "ended": True})


def rename(record: Record, pupil: int, nickname: str) -> None:
    """Give a pupil's attempts in a race that is over another nickname, or none. Raises: Refusal."""
    _write(_renamed(record, pupil, nickname))


def _renamed(record: Record, pupil: int, nickname: str) -> Record:
    """The race with another nickname on a pupil's attempts; without one, their titles go too."""
    names = {"nickname": nickname} if nickname else {"nickname": "", "title": ""}
    attempts = (one.model_copy(update=names) if one.pupil == pupil else one for one in record.attempts)
    return record.model_copy(update={"attempts": tuple(attempts)})


def delete(record: Record) -> None:
    """Delete a race that is over, and its runs. Raises: Refusal, while a worker holds one of them."""
    names = {*(one.run for one in record.attempts if one.run), *record.taken_off}
    deleted = [run for name in names if (run := _tagged(name))]
    for run in deleted:
        run.delete()
    with writing(_folder()):
        (_folder() / record.file).unlink(missing_ok=True)


def state_of(run: Run) -> State:
    """What has become of a run that the race has not at work."""
    try:
        if run.is_trained():
            return "trained"
        status = run.status()
    except Refusal:
        return "lost"
    return "failed" if status == "failed" else "stopped" if status == "stopped" else "lost"


def failure(run: Run) -> Failure | None:
    """Why a run has failed; None if it has not."""
    with contextlib.suppress(Refusal):
        latest = run.latest()
        return latest if isinstance(latest, Failure) else None
    return None


def progress(name: str) -> Progress:
    """How far a run is."""
    run = _run(name)
    return _progress(run, run.log_length())


@functools.lru_cache(maxsize=64)
def _progress(run: Run, length: int) -> Progress:
    del length  # only part of the cache's key
    try:
        events, spec = run.events(Started, Step, Epoch), run.spec
    except Refusal:
        return Progress(0.0, None, ())
    started = next((event for event in events if isinstance(event, Started)), None)
    timed = [event for event in events if isinstance(event, Step | Epoch)]
    curve = tuple(event.val_accuracy for event in events if isinstance(event, Epoch))
    if not started or not timed:
        return Progress(0.0, None, curve)
    share, left = timed[-1].step / (started.steps_per_epoch * spec.epochs), seconds_left(events, spec.epochs)
    if spec.time_limit:
        share = max(share, timed[-1].seconds / spec.time_limit)
        left = None if left is None else min(left, max(0.0, spec.time_limit - timed[-1].seconds))
    return Progress(min(1.0, share), left, curve)


def _run(name: str) -> Run:
    return Run(settings.store_folder() / name)


def _folder() -> Path:
    return settings.store_folder() / FOLDER


def _names() -> list[str]:
    try:
        return sorted(path.name for path in _folder().iterdir() if _NAME.fullmatch(path.name))
    except OSError:  # the folder does not exist yet
        return []


def _unused(lesson: str) -> int:
    """The number of the lesson's next race."""
    numbers = [int(found[2]) for name in _names() if (found := _NAME.fullmatch(name)) and found[1] == lesson]
    return max(numbers, default=0) + 1
