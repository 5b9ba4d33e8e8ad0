"""What a quiz says: to the phones and on the projector, in each one's language."""

from __future__ import annotations

import math
from typing import Any

from core import words
from core.classroom.quiz import Quiz
from core.classroom.quiz_page import accuracy_text, chosen, verdict
from core.measures.answers import Measure


def for_phone(quiz: Quiz, pupil: int, language: str) -> dict[str, Any]:
    """What a pupil's page shows of a quiz."""
    now, stage, given = quiz.asked.images[quiz.place], quiz.stage, quiz.given(pupil)
    names = quiz.asked.names(language)
    key = "sent" if given is not None and stage in ("answer", "late") else stage
    if stage == "told":
        key = "told_none" if given is None else "told_right" if given == now.label else "told_wrong"
    slots = {"label": names[now.label], "given": "" if given is None else names[given]}
    return {
        "number": quiz.asked.number % 256,
        "place": quiz.place,
        "stage": stage,
        "picture": now.picture if stage in ("look", "told") else None,
        "classes": names if stage != "end" else [],
        "given": given,
        "sentence": words.text(language, f"class.quiz.phone.{key}", **slots),
        "of": _of(quiz, language),
    }


def for_wall(quiz: Quiz, joined: int, language: str) -> dict[str, Any]:
    """What the projector shows of a quiz; `joined`: how many pupils there are."""
    what, stage = quiz.asked, quiz.stage
    now, names = what.images[quiz.place], what.names(language)
    said: dict[str, Any] = {
        "key": f"{what.number}-{quiz.place}",
        "stage": stage,
        "left": quiz.left(),
        "of": _of(quiz, language),
        "question": words.text(language, f"class.quiz.wall.{stage}", label=names[now.label]),
        "answered": words.text(language, "class.quiz.answered", count=quiz.answered(), joined=joined),
        "picture": now.picture if stage in ("look", "told") else None,
        "says": None,
        "counts": None,
        "chosen": chosen(what, language),
    }
    if stage == "told":
        right = now.predicted == now.label
        said["says"] = words.text(
            language, "class.quiz.model_says", label=names[now.predicted], sign="✓" if right else "✗"
        )
        counts = quiz.counts().tolist()
        shown = sorted((k for k, count in enumerate(counts) if count), key=lambda k: -counts[k])
        said["counts"] = [[names[k], counts[k], k == now.label] for k in shown[:6]]
    if stage in ("told", "end"):
        said |= of_outcome(quiz, language)
    return said


def of_outcome(quiz: Quiz, language: str) -> dict[str, Any]:
    """The two bars, and in words what a test says of them."""
    found = quiz.outcome()
    bars = [bar(words.text(language, "class.quiz.pupils", count=found.people), found.pupils, language)]
    bars.append(bar(words.text(language, "class.quiz.model", model=quiz.asked.model), found.model, language))
    return {"bars": bars, "verdict": verdict(found, language)}


def bar(name: str, of: Measure, language: str) -> dict[str, Any]:
    """A bar of `look.js`: a share with its interval, in numbers and in words."""
    known = math.isfinite(of.low)
    return {
        "name": name,
        "value": of.value if of.n else None,
        "low": of.low if known else None,
        "high": of.high if known else None,
        "text": accuracy_text(of, language) if of.n else "–",
        "test": None,
        "test_text": "",
    }


def _of(quiz: Quiz, language: str) -> str:
    return words.text(language, "class.quiz.of", place=quiz.place + 1, count=len(quiz.asked.images))
