"""A race on a pupil's phone: what may be chosen, what has become of the own attempts, and what the phone sends."""

from __future__ import annotations

from typing import Any

from core import store, words
from core.classroom import board
from core.classroom.classroom import Classroom, Pupil
from core.classroom.race import LONGEST_TITLE, Attempt, Race, failure, progress
from core.classroom.rules import label, written
from core.refusal import Refusal

SAID = ("title", "what", "send", "stop")  # texts that do not change
IN_HAND = ("waiting", "next", "training")  # states of what can be taken back


def state(classroom: Classroom, pupil: Pupil, language: str) -> dict[str, Any] | None:
    """What `phone_race.js` shows to a pupil; None while there is no race to see."""
    race = classroom.race
    if not race or not classroom.racing:
        return None
    record = race.record
    rules, order = record.rules, race.waiting()
    own = [one for one in record.attempts if one.pupil == pupil.number]
    left = rules.attempts - len(own)
    rows = {row.run: row for row in board.of(race)}
    key = "over" if record.ended else "left" if left > 0 else "enough"
    return {
        "number": record.number,
        "open": not record.ended and left > 0,
        "sentence": words.text(language, f"race.phone.{key}", count=left, most=rules.attempts),
        "said": {name: words.text(language, f"race.phone.{name}") for name in SAID},
        "longest": LONGEST_TITLE,
        "choices": [
            {"name": label(one.name).say(language), "values": [written(one.name, v, language) for v in one.values]}
            for one in rules.choices
        ],
        "own": [_attempt(race, one, order, rows.get(one.run), language) for one in reversed(own)],
    }


def is_done(classroom: Classroom, pupil: Pupil) -> bool:
    """Whether the pupil can send nothing more to the race."""
    race = classroom.race
    if not race or race.record.ended:
        return True
    own = sum(one.pupil == pupil.number for one in race.record.attempts)
    return own >= race.record.rules.attempts


def _attempt(race: Race, one: Attempt, order: list[Attempt], row: board.Row | None, language: str) -> dict[str, Any]:
    """What has become of an attempt: `share` and `curve` while it is trained, 0 to 1."""
    now = "trained" if row and not one.stopped else race.state(one)  # which reads a file: each phone asks every second
    if now == "trained" and not row:
        now = "training"  # it has just ended, and the board that was looked at does not have it yet
    said: dict[str, Any] = {
        "number": one.number,
        "title": one.title,
        "values": board.values_text(race.record, one.places, language),
        "state": now,
        "stops": now in IN_HAND,
        "share": None,
        "curve": [],
    }
    key, slots = f"race.state.{now}", {}
    if now == "waiting":
        place = 1 + [other.number for other in order].index(one.number) if one in order else 1
        slots = {"place": place, "seconds": round(race.seconds_to(place))}
    if now in ("waiting", "next") and race.is_held_up():
        key += "_behind"
    if now == "training":
        so_far = progress(one.run)
        said |= {"share": so_far.share, "curve": list(so_far.curve)}
        slots = {"share": words.percent(so_far.share, 0, language=language), "seconds": round(so_far.left or 0)}
        key += "" if so_far.left is not None else "_begins"
    if now == "trained" and row:
        accuracy = words.percent(row.accuracy.value, 1, language=language)
        ends = words.interval(row.accuracy.low, row.accuracy.high, 1, language=language)
        slots = {"accuracy": accuracy, "interval": ends, "n": row.accuracy.n, "place": board.place_text(row)}
    if now == "failed" and (why := failure(store.find(one.run))):
        slots = {"why": words.text(language, why.error, **why.slots)}
    said["sentence"] = words.text(language, key, **slots)
    return said


def take(classroom: Classroom, pupil: Pupil, said: object) -> None:
    """Take a pupil's message: `{"race", "title", "places"}` sends an attempt, `{"race", "stop"}` takes one back.

    Raises: Refusal, as `Race.send` and `Race.stop` do; ValueError, for anything else than such a message.
    """
    race = classroom.race
    if not isinstance(said, dict) or type(said.get("race")) is not int:
        raise ValueError(said)
    if not race or not classroom.racing or said["race"] != race.record.number:
        raise Refusal("race.over")
    match said:
        case {"race": _, "title": str(title), "places": [*places], **more} if not more:
            race.send(pupil.number, pupil.name, title, places)
            pupil.took_part = True
        case {"race": _, "stop": number, **more} if type(number) is int and not more:
            race.stop(pupil.number, number)
        case _:
            raise ValueError(said)
