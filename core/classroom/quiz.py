"""You or the model: a class says what it sees in test images, beside a finished run's stored answers to the same.

A quiz is a file in the store: one line that says what is asked, then one line for each answer, appended before the
answer counts. So neither a killed server nor a power cut loses an answer that was confirmed. Nicknames are not in it.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import math
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core import settings
from core.classroom.figures import share_of_right
from core.drawing.collection import TIME
from core.files import content, opened, written_aside
from core.measures.answers import Answers, Measure
from core.measures.compare import LEVEL
from core.refusal import Refusal, writing

FOLDER = "_quizzes"  # in the store; no run has such a name
MOST = 500  # stored quizzes
MOST_BYTES = 2**23  # of a quiz's file
MOST_PICTURE = 2**18  # characters of a picture's address `data:`
MOST_IMAGES = 30  # of a quiz
MOST_CLASSES = 20  # as many buttons as a phone has room for
LOOK = 3.0  # seconds in which the image is in sight
LATE = 1.0  # seconds after the end of the time in which an answer may arrive

_NAME = re.compile(r"(\d{8}-\d{6}-\d{6})-(\d{1,5})\.jsonl")
_PNG = "data:image/png;base64,"

Stage = Literal["look", "answer", "late", "told", "end"]  # of an image, and of the quiz
Short = Annotated[str, Field(max_length=300)]
Names = Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(min_length=2, max_length=MOST_CLASSES)]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Image(_Line):
    """An image that is asked, with its true class and the model's answer, 0 to K - 1."""

    index: Annotated[int, Field(ge=0)]  # in the run's test split
    label: Annotated[int, Field(ge=0)]
    predicted: Annotated[int, Field(ge=0)]
    picture: Annotated[str, Field(max_length=MOST_PICTURE, pattern=rf"^{_PNG}[A-Za-z0-9+/]+=*$")]


class Test(_Line):
    """The model's accuracy on its whole test split, with the ends of its 95 % interval and the number of images."""

    __test__ = False  # no test of pytest's

    value: Annotated[float, Field(ge=0, le=1)]
    low: Annotated[float, Field(ge=0, le=1)]
    high: Annotated[float, Field(ge=0, le=1)]
    n: Annotated[int, Field(ge=1)]

    @property
    def measure(self) -> Measure:
        """The same, as what is measured here."""
        return Measure(self.value, self.low, self.high, self.n)


class Asked(_Line):
    """What a quiz asks, and of which model."""

    lesson: str  # the time of its beginning, written as `collection.TIME`
    number: Annotated[int, Field(ge=1, le=99_999)] = 1  # of the lesson's quizzes, see `Classroom.begin_quiz`
    run: Short
    model: Short  # how the run is called on the screen
    data: Short  # the title of its data set
    test: Test
    seed: Annotated[int, Field(ge=0)]  # of the choice of images
    classes: Annotated[dict[Short, Names], Field(max_length=20)]  # their names by language
    images: Annotated[tuple[Image, ...], Field(min_length=1, max_length=MOST_IMAGES)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        datetime.strptime(self.lesson, TIME)
        counts = {len(names) for names in self.classes.values()}
        if "en" not in self.classes or len(counts) > 1:
            raise ValueError("not the same classes in each language")
        if any(max(one.label, one.predicted) >= self.class_count for one in self.images):
            raise ValueError("a class that there is not")
        return self

    @property
    def class_count(self) -> int:
        """K, the number of classes."""
        return len(self.classes["en"])

    def names(self, language: str) -> tuple[str, ...]:
        """The names of the classes (K,) in a language, or else in English."""
        return self.classes.get(language, self.classes["en"])


class Given(_Line):
    """An answer of a pupil to one of the images."""

    pupil: Annotated[int, Field(ge=1)]
    place: Annotated[int, Field(ge=0, lt=MOST_IMAGES)]  # of the image, from 0
    answer: Annotated[int, Field(ge=0, lt=MOST_CLASSES)]


@dataclass(frozen=True)
class Outcome:
    """The accuracy of a class beside a model's on the same images: those that somebody has answered."""

    people: int
    pupils: Measure  # see `outcome`. The interval holds for other pupils and these images, or for the only pupil
    model: Measure  # n: images. Without an interval: the choice of the images has fixed the share of errors
    of_wrong: Measure  # the pupils' accuracy on the images that the model gets wrong; all NaN without such answers
    of_right: Measure  # ... and on those that it gets right
    p: float  # of `sign_flip`; 1 for one pupil

    @property
    def verdict(self) -> Literal["better", "worse", "none"]:
        """Whether the pupils are more or less often right than the model, or no difference is shown."""
        if self.p >= LEVEL:
            return "none"
        return "better" if self.advantage > 0 else "worse"

    advantage: float = 0.0  # the mean over the answers of: the pupil is right, minus: the model is


def chosen(answers: Answers, count: int, seed: int, without: Collection[int] = ()) -> list[int]:
    """The places of `count` test images in the order in which they are asked, drawn with a seed.

    Half of them, rounded up, are images that the model gets wrong, or all of those if there are fewer. `without`:
    places that are not drawn, such as those of images with a wrong label.
    """
    chance = np.random.default_rng(seed)
    usable = np.ones(len(answers.labels), bool)
    usable[[place for place in without if place < len(usable)]] = False
    wrong, right = np.flatnonzero(usable & ~answers.is_right), np.flatnonzero(usable & answers.is_right)
    few = min(len(wrong), max(-(-count // 2), count - len(right)))
    drawn = [*chance.choice(wrong, few, replace=False), *chance.choice(right, min(len(right), count - few), False)]
    return [int(place) for place in chance.permutation(drawn)]


def asked(
    *,
    lesson: str,
    run: str,
    model: str,
    data: str,
    test: Measure,
    seed: int,
    classes: Mapping[str, Sequence[str]],
    answers: Answers,
    places: Sequence[int],
    pictures: Sequence[bytes],
) -> Asked:
    """What a quiz asks about the images at some places of the test split; `pictures` are PNG files.

    Raises: Refusal, if there are more classes than a phone has room for, or a picture is too large.
    """
    if answers.probabilities.shape[1] > MOST_CLASSES:
        raise Refusal("class.quiz.many_classes", most=MOST_CLASSES)
    found = [f"{_PNG}{base64.b64encode(one).decode()}" for one in pictures]
    if max(map(len, found), default=0) > MOST_PICTURE:
        raise Refusal("class.quiz.large")
    images = [
        Image(index=place, label=int(answers.labels[place]), predicted=int(answers.predicted[place]), picture=picture)
        for place, picture in zip(places, found, strict=True)
    ]
    return Asked(
        lesson=lesson,
        run=run,
        model=model[:300],
        data=data[:300],
        test=Test(value=test.value, low=test.low, high=test.high, n=test.n),
        seed=seed,
        classes={language: tuple(names) for language, names in classes.items()},
        images=tuple(images),
    )


class Quiz:
    """A quiz of an open lesson. The teacher goes on from image to image; each is in sight for `LOOK` seconds."""

    def __init__(
        self,
        what: Asked,
        seconds: float | None,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds`: to answer, None for as long as the teacher waits; `changed` is called after each change.

        Raises: Refusal, if the store has no room for another quiz.
        """
        if len(_names(None)) >= MOST:
            raise Refusal("class.quiz.store_full", most=MOST)
        self.asked = what
        self.seconds = seconds
        self.place = 0  # of the image of now
        self._changed = changed
        self._clock = clock
        self._begun = [clock()]  # when each image came into sight ...
        self._told: list[float] = []  # ... and when the truth about it was told
        self._ended: float | None = None
        self._given: dict[tuple[int, int], Given] = {}  # by pupil and place, those that are on the disk
        self._taken: dict[tuple[int, int], Given] = {}  # the same, those that are to be written
        self._lock = threading.RLock()  # nobody waits for the disk under it
        self._writing = threading.Lock()

    @property
    def stage(self) -> Stage:
        """What happens now: the image is in sight, answers are taken, the time is up, the truth is told; or the end."""
        if self._ended is not None:
            return "end"
        if len(self._told) > self.place:
            return "told"
        passed = self._clock() - self._begun[self.place]
        if passed < LOOK:
            return "look"
        return "answer" if self.seconds is None or passed < LOOK + self.seconds else "late"

    @property
    def has_more(self) -> bool:
        """Whether the truth about an image is still to be told."""
        return self._ended is None and len(self._told) < len(self.asked.images)

    def left(self) -> float | None:
        """The seconds until the image goes, or the time to answer is over; None if nothing ends by itself."""
        stage = self.stage
        end = {"look": LOOK, "answer": None if self.seconds is None else LOOK + self.seconds}.get(stage)
        return None if end is None else max(0.0, self._begun[self.place] + end - self._clock())

    def go_on(self) -> None:
        """Tell the truth about the image of now, or show the next one, or end; nothing while an image is in sight."""
        with self._lock:
            if self.stage in ("look", "end"):
                return
            if len(self._told) == self.place:
                self._told.append(self._clock())
            elif self.place + 1 < len(self.asked.images):
                self._begun.append(self._clock())
                self.place += 1
            else:
                self._ended = self._clock()
        self._changed()

    def end(self) -> None:
        """End the quiz: its results stay in sight."""
        with self._lock:
            if self._ended is None:
                self._ended = self._clock()
        self._changed()

    def take(self, pupil: int, place: int, answer: int, arrived: float | None = None) -> Given | None:
        """Take an answer, which does not wait for the disk; it counts after `keep`. None if it counts already.

        `arrived`: when, seconds of the clock; None: now.

        Raises: Refusal, if that was not this image's time, or there is no such class.
        """
        with self._lock:
            if (pupil, place) in self._given:
                return None
            if not self._was_asked(place, self._clock() if arrived is None else arrived):
                raise Refusal("class.quiz.over")
            if answer >= self.asked.class_count:
                raise Refusal("class.quiz.over")
            return self._taken.setdefault((pupil, place), Given(pupil=pupil, place=place, answer=answer))

    def keep(self, one: Given) -> None:
        """Write an answer that was taken, together with all others that wait: they cost one sync to disk.

        Raises: Refusal, if it cannot be kept; then it may be taken again.
        """
        key = one.pupil, one.place
        with self._writing:
            if key in self._given:  # written with another one
                return
            with self._lock:
                self._taken[key] = one
                waiting = list(self._taken.values())
            try:
                _append(self.asked, waiting, is_first=not self._given)
            except Refusal:
                with self._lock:
                    del self._taken[key]
                raise
            with self._lock:
                for other in waiting:
                    self._given[other.pupil, other.place] = other
                    self._taken.pop((other.pupil, other.place), None)
        self._changed()

    def _was_asked(self, place: int, at: float) -> bool:
        """Whether answers to an image were taken at that time, whatever is asked now."""
        if place >= len(self._begun) or at < self._begun[place] + LOOK:
            return False
        over = [*self._told[place : place + 1], *([] if self._ended is None else [self._ended])]
        late = self.seconds is not None and at > self._begun[place] + LOOK + self.seconds + LATE
        return not late and all(at < end for end in over)

    def given(self, pupil: int) -> int | None:
        """What the pupil has answered to the image of now; None if nothing."""
        one = self._given.get((pupil, self.place))
        return one.answer if one else None

    def answered(self) -> int:
        """How many have answered the image of now."""
        return sum(place == self.place for _, place in list(self._given))

    def counts(self) -> np.ndarray:
        """How many have said each class of the image of now, int64 (K,)."""
        now = [one.answer for one in list(self._given.values()) if one.place == self.place]
        return np.bincount(now, minlength=self.asked.class_count)

    def outcome(self) -> Outcome:
        """The outcome on the images whose truth has been told."""
        told = self.place + (self.stage in ("told", "end"))
        return outcome(self.asked, [one for one in list(self._given.values()) if one.place < told], told)


def outcome(what: Asked, given: Sequence[Given], told: int | None = None) -> Outcome:
    """The outcome of a quiz on its first `told` images, by the answers that were given; the first of each pupil counts.

    Whoever has answered an image has seen the next ones: those that such a pupil leaves out count as not right, since
    a pupil who answers only what is easy would otherwise be better than an equal model. None: up to the last answered.
    """
    first = {
        (one.pupil, one.place): one.answer
        for one in reversed(given)
        if one.place < len(what.images) and one.answer < what.class_count
    }
    end = max((place + 1 for _, place in first), default=0) if told is None else min(told, len(what.images))
    begun = {pupil: min(place for other, place in first if other == pupil) for pupil in {pupil for pupil, _ in first}}
    seen = [(pupil, place) for pupil in sorted(begun) for place in range(begun[pupil], end)]
    of = [what.images[place] for _, place in seen]
    right = np.array([first.get(one) == image.label for one, image in zip(seen, of, strict=True)], dtype=bool)
    models = np.array([image.predicted == image.label for image in of], dtype=bool)
    whose = np.array([pupil for pupil, _ in seen], dtype=np.int64)
    people, pupil = np.unique(whose, return_inverse=True)
    ahead = right.astype(np.int64) - models
    images = {place: bool(model) for (_, place), model in zip(seen, models, strict=True)}
    return Outcome(
        people=len(people),
        pupils=share_of_right(right, whose),
        model=Measure(sum(images.values()) / len(images) if images else math.nan, math.nan, math.nan, len(images)),
        of_wrong=share_of_right(right[~models], whose[~models]),
        of_right=share_of_right(right[models], whose[models]),
        p=sign_flip(np.bincount(pupil, weights=ahead, minlength=len(people)).astype(np.int64)),
        advantage=float(ahead.mean()) if len(ahead) else 0.0,
    )


def sign_flip(differences: np.ndarray) -> float:
    """The exact two-sided p value of differences, int64 (N,), each of which may as well have had the other sign.

    One difference a pupil: the answers that are right minus those of the model to the same images. The pupil is the
    unit, since the answers of one are alike. Source: Fisher 1935, The Design of Experiments, section 21.
    """
    total = int(np.abs(differences).sum())
    if not total:
        return 1.0
    chances = np.zeros(2 * total + 1)  # of each sum, from -total
    chances[total] = 1.0
    for one in np.abs(differences).tolist():
        chances = (np.roll(chances, one) + np.roll(chances, -one)) / 2
    far = abs(int(differences.sum()))
    return min(1.0, float(chances[: total - far + 1].sum() + chances[total + far :].sum())) if far else 1.0


# --- what is kept -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """A quiz with the answers that were given, as it is stored."""

    name: str  # of its file
    asked: Asked
    given: tuple[Given, ...]

    def outcome(self) -> Outcome:
        """The outcome on all images that were answered."""
        return outcome(self.asked, self.given)


def lessons(store: Path | None = None) -> dict[str, int]:
    """How many quizzes are stored of each lesson, by the time of its beginning, the oldest lesson first."""
    return dict(Counter(name[: name.rindex("-")] for name in _names(store)))


def kept(lesson: str, store: Path | None = None) -> list[Kept]:
    """The stored quizzes of a lesson, oldest first, except those with a damaged file."""
    found = []
    for name in _names(store):
        with contextlib.suppress(OSError, ValueError):
            if name.startswith(f"{lesson}-"):
                path = _folder(store) / name
                seen = path.lstat()
                found.append(_read(path, seen.st_mtime_ns, seen.st_size))
    return found


def delete(lesson: str, store: Path | None = None) -> None:
    """Remove all quizzes of a lesson with their answers. Raises: Refusal."""
    with writing(_folder(store)):
        for name in _names(store):
            if name.startswith(f"{lesson}-"):
                (_folder(store) / name).unlink(missing_ok=True)


def _append(what: Asked, given: Sequence[Given], *, is_first: bool) -> None:
    """Write answers to their quiz's file, which begins with the first. Raises: Refusal."""
    path = _folder(None) / f"{what.lesson}-{what.number}.jsonl"
    lines = b"".join(one.model_dump_json().encode() + b"\n" for one in given)
    with writing(path.parent):
        if is_first:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_aside(path, durable=True, new=True) as file:
                file.write(what.model_dump_json().encode() + b"\n" + lines)
        else:
            with opened(path, "a+b") as file:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a full disk has cut off the last line: end it, so that it spoils no other
                    lines = b"\n" + lines
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())


def _folder(store: Path | None) -> Path:
    return (store or settings.store_folder()) / FOLDER


def _names(store: Path | None) -> list[str]:
    try:
        found = [
            path.name for path in _folder(store).iterdir() if _NAME.fullmatch(path.name) and _is_time(path.name[:22])
        ]
    except OSError:  # the folder does not exist yet
        return []
    return sorted(found, key=lambda name: (name[:22], int(name[23 : -len(".jsonl")])))


def _is_time(lesson: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(datetime.strptime(lesson, TIME))
    return False


@functools.lru_cache(maxsize=32)
def _read(path: Path, changed: int, size: int) -> Kept:
    """A quiz's file. Raises: OSError or ValueError, if it cannot be read, or `_append` cannot have written it."""
    del changed, size  # only part of the cache's key
    first, *lines = content(path, MOST_BYTES).split(b"\n")
    what = Asked.model_validate_json(first)
    if path.name != f"{what.lesson}-{what.number}.jsonl":
        raise ValueError(path)
    given = []
    for line in lines:
        with contextlib.suppress(ValidationError):  # the last one may have been cut off
            given.append(Given.model_validate_json(line))
    return Kept(path.name, what, tuple(given))
