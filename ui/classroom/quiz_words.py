"""What a quiz says: to the phones and on the projector, in each one's language."""

from __future__ import annotations

import math
from typing import Any

from core import words
from core.classroom.figures import accuracy_text
from core.classroom.quiz import Quiz
from core.classroom.quiz_page import chosen, verdict
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
        "stage": stage,
        "left": quiz.left(),
        "of": "" if stage == "end" else _of(quiz, language),
        "question": words.text(language, f"class.quiz.wall.{stage}", label=names[now.label]),
        "answered": ""
        if stage == "end"
        else words.text(language, "class.quiz.answered", count=quiz.answered(), joined=joined),
        "picture": now.picture if stage in ("look", "told") else None,
        "says": None,
        "counts": None,
    }
    if stage == "told":
        right = now.predicted == now.label
        said["says"] = words.text(
            language, "class.quiz.model_says", label=names[now.predicted], sign="✓" if right else "✗"
        )
        counts = quiz.counts().tolist()
        shown = sorted((k for k, count in enumerate(counts) if count), key=lambda k: -counts[k])
        said["counts"] = [[names[k], counts[k], k == now.label] for k in shown[:5]]
    if stage in ("told", "end"):
        said |= of_outcome(quiz, language)
    return said


def of_outcome(quiz: Quiz, language: str) -> dict[str, Any]:
    """The two bars with their caption; at the end also sentences, the first of which says what a test says.

    Not before, since a test that is looked at after each image finds a difference more often than it should.
    """
    found, test = quiz.outcome(), quiz.asked.test
    said = words.percent(test.value, 1, language=language)
    bars = [
        bar(words.text(language, "class.quiz.pupils", count=found.people), found.pupils, language),
        bar(words.text(language, "class.quiz.model", model=quiz.asked.model), found.model, language)
        | {"test": test.value, "test_text": words.text(language, "class.quiz.test", accuracy=said, n=test.n)},
    ]
    notes = []
    if quiz.stage == "end":
        on = {"wrong": found.of_wrong, "right": found.of_right}
        figures = {name: accuracy_text(of, language) if of.n else "–" for name, of in on.items()}
        notes = [verdict(found, language), words.text(language, "class.quiz.where", **figures)]
        notes.append(chosen(quiz.asked, language))
    return {"bars": bars, "caption": words.text(language, "class.bars"), "notes": notes}


def bar(name: str, of: Measure | None, language: str) -> dict[str, Any]:
    """A bar of `look.js`: a share with its interval, in numbers and in words; None while there is none."""
    known = of is not None and math.isfinite(of.low)
    return {
        "name": name,
        "value": of.value if of and of.n else None,
        "low": of.low if of and known else None,
        "high": of.high if of and known else None,
        "text": "" if of is None else accuracy_text(of, language) if of.n else "–",
        "test": None,
        "test_text": "",
    }


def _of(quiz: Quiz, language: str) -> str:
    return words.text(language, "class.quiz.of", place=quiz.place + 1, count=len(quiz.asked.images))
