"""What phones see of the projector, as numbers from which `look.js` draws: bars, a confusion matrix, curves."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from core import words
from core.classroom import board
from core.classroom.classroom import Chart, Classroom
from core.classroom.figures import accuracy_text
from core.classroom.quiz import MOST_CLASSES
from core.classroom.race import Race
from core.classroom.results import Contestant, Results
from core.drawing.collection import CLASSES
from core.events import Epoch
from core.measures.answers import Measure
from core.refusal import Refusal
from ui import server
from ui.classroom.quiz_words import bar, of_outcome
from ui.files import beside

EVERY = 1.0  # seconds between two looks at numbers that change
POINTS = 60  # most points of a curve: as many as a phone has room for


def look_script() -> str:
    """The script that draws them: the projector's and the phones' are the same."""
    return beside(__file__, "look.js")


def look_style() -> str:
    """Their style sheet."""
    return beside(__file__, "look.css")


class Look:
    """What the phones of a lesson see of the projector; computed once a second at most, for all of them."""

    def __init__(self, classroom: Classroom, models: Sequence[Contestant]) -> None:
        self.classroom = classroom
        self.models = models
        self._kept: dict[str, tuple[object, float, dict[str, Any]]] = {}  # by language: key, time, content
        self._lock = threading.Lock()

    def fresh(self, language: str) -> dict[str, Any] | None:
        """What is seen now, the same object as long as it is the same; None if it has to be computed."""
        kept = self._kept.get(language)
        is_fresh = kept and kept[0] == self._key() and time.monotonic() < kept[1] + EVERY
        return kept[2] if kept and is_fresh else None

    def now(self, language: str) -> dict[str, Any]:
        """What is seen now."""
        with self._lock:
            if (found := self.fresh(language)) is not None:
                return found
            key, found = self._key(), seen(self.classroom, self.models, language)
            kept = self._kept.get(language)
            if kept and kept[2] == found:
                found = kept[2]
            self._kept[language] = key, time.monotonic(), found
            return found

    def _key(self) -> object:
        """What changes it at once."""
        classroom, quiz = self.classroom, self.classroom.quiz
        asked = quiz and (quiz.asked.number, quiz.place, quiz.stage)
        return classroom.showing, asked, classroom.racing, classroom.frozen, classroom.names_hidden


def seen(classroom: Classroom, models: Sequence[Contestant], language: str) -> dict[str, Any]:
    """What is seen now: `title`, `bars` with `caption` and the `ends` of their axis, `notes`, `matrix` and `curves`."""
    quiz, chart = classroom.quiz, classroom.showing
    if quiz:
        return _view(**of_outcome(quiz, language))
    if classroom.race and classroom.shows_board:
        return of_race(classroom.race, language, named=not classroom.names_hidden)
    if chart and chart.kind != "results":
        return of_run(chart, language)
    found = classroom.results()
    first = found.matrix.get(models[0].run) if models else None
    digits = [str(digit) for digit in range(CLASSES)]
    axes = words.text(language, "class.wall.matrix_of")
    matrix = None if first is None else {"counts": first.tolist(), "names": digits, "caption": axes}
    title, caption = words.text(language, "class.accuracy"), words.text(language, "class.bars")
    return _view(title, [of_model(model, found, language) for model in models], caption=caption, matrix=matrix)


def of_run(chart: Chart, language: str) -> dict[str, Any]:
    """The curves or the confusion matrix of a run, or a sentence that says why there are none."""
    run = server.find(chart.run)
    try:
        if not run:
            raise Refusal("error.run_unknown", run=chart.run[:80])
        found = _curves(run, language) if chart.kind == "curves" else _matrix(run, language)
    except Refusal as refusal:
        return _view(notes=[words.text(language, refusal.key, **refusal.slots)])
    found["notes"].append(chart.name)
    return found


def of_race(race: Race, language: str, *, named: bool) -> dict[str, Any]:
    """The board of a race: a bar for each of the first rows, on one axis; `named`: titles and nicknames are shown."""
    rows = board.of(race)
    title = words.text(language, "race.saved", number=race.record.number)
    if not rows:
        return _view(title, notes=[words.text(language, "race.none_yet")])
    axis, shown = board.axis_of(rows), rows[: board.MOST_ROWS]
    low, high = (words.percent(end, 0, language=language) for end in axis)
    of = words.text(language, "race.column.accuracy", n=rows[0].accuracy.n)
    notes = [board.more_text(rows, shown, language), *board.notes(rows, language, titles=named)]
    return _view(
        title,
        [_of_row(race, row, axis, language, named=named) for row in shown],
        notes=[one for one in notes if one],
        ends=[low, of, high],
    )


def _of_row(race: Race, row: board.Row, axis: tuple[float, float], language: str, *, named: bool) -> dict[str, Any]:
    """The bar of a trained run; its shares are those of the axis. One that lies left of it has an arrow instead."""
    of, low, width = row.accuracy, axis[0], axis[1] - axis[0]
    in_sight = of.value >= low
    least, value, most = (max(0.0, share - low) / width if in_sight else None for share in (of.low, of.value, of.high))
    values = board.values_text(race.record, row.attempts[0].places, language)
    return {
        "place": board.place_with_star(row),
        "name": board.who_text(row, nicknames=named, titles=named),
        "value": value,
        "low": least,
        "high": most,
        "text": ("" if in_sight else "◀ ") + board.figure_text(of, language),
        "test": None,
        "test_text": f"{words.duration(row.seconds, language=language)} · {values}",
    }


def of_model(model: Contestant, found: Results, language: str) -> dict[str, Any]:
    """The bar of a model on the class's drawings, with its accuracy on its test images."""
    of, test = found.accuracy.get(model.run), model.test
    said = test and words.text(language, "class.test", accuracy=words.percent(test.value, 1, language=language))
    return bar(model.name, of, language) | {"test": test and test.value, "test_text": said or ""}


def _view(
    title: str = "",
    bars: Sequence[dict[str, Any]] = (),
    notes: Sequence[str] = (),
    matrix: dict[str, Any] | None = None,
    curves: dict[str, Any] | None = None,
    ends: Sequence[str] = (),
    caption: str = "",
) -> dict[str, Any]:
    shown = {"title": title, "bars": list(bars), "notes": list(notes), "matrix": matrix, "curves": curves}
    return shown | {"ends": list(ends), "caption": caption}


def _matrix(run: Any, language: str) -> dict[str, Any]:
    report = run.report()
    if not report:
        raise Refusal("class.look.no_matrix")
    names = server.class_names(run, language)
    if len(names) > MOST_CLASSES:
        raise Refusal("class.look.large_matrix", most=MOST_CLASSES)
    counts = [list(row) for row in report.confusion_matrix]
    low, high = report.accuracy_interval
    accuracy = accuracy_text(Measure(report.accuracy, low, high, report.n), language, 2)
    return _view(
        words.text(language, "class.look.matrix"),
        notes=[words.text(language, "class.look.test", accuracy=accuracy)],
        matrix={"counts": counts, "names": names, "caption": words.text(language, "matrix.axes")},
    )


def _curves(run: Any, language: str) -> dict[str, Any]:
    epochs = [event for event in server.events(run) if isinstance(event, Epoch)]
    if not epochs:
        raise Refusal("class.look.no_curve")
    every = -(-len(epochs) // POINTS)
    shown = epochs[::every] if epochs[-1] in epochs[::every] else [*epochs[::every], epochs[-1]]
    series = []
    for part in ("train", "val"):
        values = [getattr(one, f"{part}_accuracy") for one in shown]
        said = words.text(language, f"class.look.{part}", accuracy=words.percent(values[-1], 1, language=language))
        series.append({"name": said, "values": values})
    every_value = [value for one in series for value in one["values"]]
    low, high = min(every_value), max(every_value)
    return _view(
        words.text(language, "class.look.curves"),
        curves={
            "epochs": [one.epoch for one in shown],
            "series": series,
            "low": low,
            "high": high,
            "low_text": words.percent(low, 1, language=language),
            "high_text": words.percent(high, 1, language=language),
            "first_text": words.text(language, "class.look.epoch", epoch=shown[0].epoch),
            "last_text": words.text(language, "class.look.epoch", epoch=shown[-1].epoch),
        },
    )
