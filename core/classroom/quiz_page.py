"""The part of a lesson's saved page that tells what came of a quiz."""

from __future__ import annotations

from html import escape

import numpy as np

from core.classroom.figures import accuracy_text
from core.classroom.quiz import Asked, Kept, Outcome
from core.words import number, text

LEAST_P = 0.001  # a lower p value is said to be below it


def verdict(found: Outcome, language: str) -> str:
    """What the test says of the difference between class and model."""
    key = "few" if found.people < 2 else found.verdict
    sign, p = ("<", LEAST_P) if found.p < LEAST_P else ("=", found.p)
    return text(
        language, f"class.quiz.verdict.{key}", p=f"p\u00a0{sign}\u00a0{number(p, 3, language=language)}"
    )  # on one line


def chosen(quiz: Asked, language: str) -> str:
    """How the images were chosen, and the model's accuracy on all its test images."""
    wrong = sum(one.predicted != one.label for one in quiz.images)
    accuracy = accuracy_text(quiz.test.measure, language, 2)
    return text(language, "class.quiz.chosen", wrong=wrong, count=len(quiz.images), accuracy=accuracy)


def quiz_section(quiz: Kept, language: str) -> str:
    """A quiz's outcome and each of its images, as a part of an HTML page."""

    def said(key: str, **slots: object) -> str:
        return escape(text(language, f"class.quiz.{key}", **slots))

    what, found = quiz.asked, quiz.outcome()
    rows = {
        said("pupils", count=found.people): accuracy_text(found.pupils, language),
        said("model", model=what.model): accuracy_text(found.model, language),
        said("saved.on_wrong"): accuracy_text(found.of_wrong, language) if found.of_wrong.n else "–",
        said("saved.on_right"): accuracy_text(found.of_right, language) if found.of_right.n else "–",
        said("saved.all_tests"): accuracy_text(what.test.measure, language, 2),
    }
    table = "".join(f"<tr><td>{name}</td><td>{escape(value)}</td></tr>" for name, value in rows.items())
    title = said("saved.title", number=what.number, model=what.model, data=what.data)
    tested = said("saved.test", verdict=verdict(found, language), seed=what.seed)
    return (
        f"<section><h2>{title}</h2>\n<table>{table}</table>\n<p>{tested}</p>\n<p>{escape(chosen(what, language))}</p>"
        f"\n{_images(quiz, language)}</section>"
    )


def _images(quiz: Kept, language: str) -> str:
    """The images, each with what it is, what the model says, and how many pupils say what."""
    what, names = quiz.asked, quiz.asked.names(language)
    first = {(one.pupil, one.place): one for one in reversed(quiz.given) if one.answer < what.class_count}
    heads = (text(language, f"class.quiz.saved.{key}") for key in ("image", "is", "model", "pupils"))
    rows = ["<tr>" + "".join(f"<th>{escape(one)}</th>" for one in heads) + "</tr>"]
    for place, image in enumerate(what.images):
        counts = np.bincount([one.answer for one in first.values() if one.place == place], minlength=what.class_count)
        said = [f"{names[k]}: {counts[k]}" for k in np.argsort(-counts, kind="stable") if counts[k]]
        sign = "✓" if image.predicted == image.label else "✗"
        cells = (names[image.label], f"{names[image.predicted]} {sign}", ", ".join(said))
        picture = f'<img src="{image.picture}" width="84" height="84" alt="">'
        rows.append(f"<tr><td>{picture}</td>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    return f"<table>{''.join(rows)}</table>"
