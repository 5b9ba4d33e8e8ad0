"""What a class has drawn and how its models read it: the figures of the wall, and the page of a lesson to save."""

from __future__ import annotations

import base64
import functools
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

import numpy as np
from PIL import Image

from core.classroom import board, quiz
from core.classroom import race as races
from core.classroom.figures import accuracy_text, share_of_right
from core.classroom.quiz_page import quiz_section
from core.drawing import collection
from core.drawing.collection import CLASSES, LabelledDrawing
from core.measures.answers import Measure, confusion_matrix
from core.measures.measures import most_confused
from core.words import text

STYLE = """
body { font: 16px/1.45 sans-serif; max-width: 60rem; margin: 1rem auto; padding: 0 1rem; color: #000; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin: 1.5rem 0 0.3rem; }
table { border-collapse: collapse; } th, td { padding: 0.2rem 0.6rem; text-align: left; }
td { border: 1px solid #808080; } .counts td { text-align: right; } .counts .right { font-weight: bold; }
.drawings { display: flex; flex-wrap: wrap; gap: 0.5rem; } figure { margin: 0; text-align: center; }
figure.wrong img { outline: 3px dashed #000; outline-offset: 1px; } figcaption { margin-top: 0.2rem; }
img { image-rendering: pixelated; background: #000; } section { break-inside: avoid; }
"""


@dataclass(frozen=True)
class Results:
    """The results on drawings, by run."""

    accuracy: dict[str, Measure]  # the interval holds for other people's drawings, or for the only person's
    matrix: dict[str, np.ndarray]  # counts of drawings, int64 (10, 10), `[true][predicted]`
    hardest: int | None  # index of the drawing whose label the models gave the least probability, of those misread


def results(drawings: Sequence[LabelledDrawing], writers: Sequence[int | str]) -> Results:
    """The results on the drawings of a lesson; `writers` says who drew each."""
    answers: dict[str, list[tuple[int, int]]] = {}  # run -> index of a drawing, predicted class
    mean, misread = [], []
    for i, one in enumerate(drawings):
        read = one.in_class.answers if one.in_class else ()
        for answer in read:
            answers.setdefault(answer.run, []).append((i, answer.predicted))
        mean.append(float(np.mean([answer.of_label for answer in read])) if read else 1.0)
        misread += [i] * any(answer.predicted != one.label for answer in read)
    labels, whose = np.array([one.label for one in drawings], dtype=np.int64), np.array(writers)
    accuracy, matrix = {}, {}
    for run, read in answers.items():
        places, predicted = (np.array(part, dtype=np.int64) for part in zip(*read, strict=True))
        right = labels[places] == predicted
        accuracy[run] = share_of_right(right, whose[places])
        matrix[run] = confusion_matrix(labels[places], predicted, CLASSES)
    return Results(accuracy, matrix, min(misread, key=mean.__getitem__, default=None))


@dataclass(frozen=True)
class Contestant:
    """A model that reads the class's drawings."""

    run: str
    name: str  # in a table's row
    data: str  # the title of its data set
    test: Measure | None  # accuracy on its test split; None for an unfinished run


def confused(matrix: np.ndarray, most: int = 4) -> tuple[int, ...]:
    """The digits of the most frequent confusions in counts (10, 10), at most `most`; none without errors."""
    digits: dict[int, None] = {}
    for one in most_confused(matrix):
        for digit in (one.true, one.predicted[0]):
            digits.setdefault(digit)
    return tuple(digits)[:most]


def lessons() -> dict[str, list[LabelledDrawing]]:
    """The kept drawings, perhaps none, of each lesson by the time of its beginning, the newest lesson first."""
    found: dict[str, list[LabelledDrawing]] = {}
    for one in collection.kept():
        if one.in_class:
            found.setdefault(one.in_class.lesson, []).append(one)
    for lesson in (*quiz.lessons(), *(one.lesson for one in races.records())):
        found.setdefault(lesson, [])
    return dict(sorted(found.items(), reverse=True))


def begun(lesson: str) -> str:
    """When a lesson began: `2026-11-29 13:05`."""
    return datetime.strptime(lesson, collection.TIME).strftime("%Y-%m-%d %H:%M")


def page(
    lesson: str, drawings: Sequence[LabelledDrawing], models: Sequence[Contestant], language: str, *, titles: bool
) -> str:
    """The results of a lesson, of its drawings, quizzes and races, as one HTML page; without scripts and nicknames.

    `titles`: whether what pupils have called their attempts in a race is in it, which may be names too.
    """
    title = _said(language, "class.saved.title", time=begun(lesson))
    parts = [f"<h1>{title}</h1>", *(_of_drawings(drawings, models, language) if drawings else ())]
    parts += [quiz_section(one, language) for one in quiz.kept(lesson)]
    parts += [board.section(record, language, titles=titles) for record in races.records(lesson)]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    begin = f'<!DOCTYPE html>\n<html lang="{language.replace("_", "-")}">\n<head>{head}</head>\n<body>'
    return "\n".join([begin, *parts, "</body></html>\n"])


def _of_drawings(drawings: Sequence[LabelledDrawing], models: Sequence[Contestant], language: str) -> list[str]:
    said = functools.partial(_said, language)
    whose = [_pupil(one) for one in drawings]
    found = results(drawings, whose)
    people = len(set(whose))
    shown = [model for model in models if model.run in found.accuracy]
    facts = said("class.saved.facts", count=len(drawings), people=people)
    holds = said("class.saved.intervals" if people > 1 else "drawings.one_writer")
    accuracy, of_hardest = said("class.accuracy"), said("class.hardest")
    parts = [
        f"<p>{facts}</p>",
        f"<h2>{accuracy}</h2>\n{_accuracies(shown, found, language)}",
        f"<p>{holds}</p>",
    ]
    for model in shown:
        caption = said("class.matrix", model=model.name)
        parts.append(f"<section><h2>{caption}</h2>\n{_counts(found.matrix[model.run], language)}</section>")
    if found.hardest is not None:
        hardest = [drawings[found.hardest]]
        parts.append(f"<section><h2>{of_hardest}</h2>\n{_pictures(hardest, shown, language)}</section>")
    rounds = itertools.groupby(sorted(drawings, key=_round), _round)
    for number, theirs in rounds:
        title_of = said("class.saved.round", number=number)
        parts.append(f"<section><h2>{title_of}</h2>\n{_pictures(list(theirs), shown, language)}</section>")
    return parts


def png(drawing: LabelledDrawing) -> str:
    """The drawing as a PNG's address `data:`."""
    file = io.BytesIO()
    Image.fromarray(drawing.pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _said(language: str, key: str, **slots: object) -> str:
    return escape(text(language, key, **slots))


def _pupil(drawing: LabelledDrawing) -> int | str:
    """Who drew it, as on the wall: the pupil, whatever the name is by now."""
    return (drawing.in_class.pupil if drawing.in_class else 0) or drawing.writer


def _round(drawing: LabelledDrawing) -> int:
    return drawing.in_class.round if drawing.in_class else 0


def _accuracies(models: Sequence[Contestant], found: Results, language: str) -> str:
    rows = []
    for model in models:
        test = ""
        if model.test:
            test = f"{model.data}: {accuracy_text(model.test, language, 2)}"
        cells = (model.name, accuracy_text(found.accuracy[model.run], language), test)
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    names = ("draw.model", "class.on_drawings", "class.on_test")
    head = "".join(f"<th>{_said(language, name)}</th>" for name in names)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _counts(matrix: np.ndarray, language: str) -> str:
    head = f"<th>{_said(language, 'matrix.axes')}</th>" + "".join(f"<th>{k}</th>" for k in range(CLASSES))
    rows = []
    for true, counts in enumerate(matrix.tolist()):
        cells = [
            f"<td{' class=right' if predicted == true else ''}>{count or ''}</td>"
            for predicted, count in enumerate(counts)
        ]
        rows.append(f"<tr><th>{true}</th>{''.join(cells)}</tr>")
    return f'<table class="counts"><tr>{head}</tr>{"".join(rows)}</table>'


def _pictures(drawings: Sequence[LabelledDrawing], models: Sequence[Contestant], language: str) -> str:
    """The drawings, each with its label and what the first model read."""
    figures = []
    for one in drawings:
        read = {answer.run: answer for answer in one.in_class.answers} if one.in_class else {}
        answer = read.get(models[0].run) if models else None
        wrong = answer is not None and answer.predicted != one.label
        caption = f"{one.label}"
        if answer:
            caption += f" → {answer.predicted} {'✗' if wrong else '✓'}"
        alt = _said(language, "class.drawing_alt", label=one.label)
        figures.append(
            f'<figure{" class=wrong" if wrong else ""}><img src="{png(one)}" width="84" height="84" alt="{alt}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return f'<div class="drawings">{"".join(figures)}</div>'
