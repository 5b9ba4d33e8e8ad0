"""The board of a race: its runs by val accuracy, and the places that each can have, for the wall and the saved page."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from weakref import WeakKeyDictionary

from core.classroom.race import TAG, Attempt, Race, Record
from core.classroom.rules import label, written
from core.events import Report
from core.measures.answers import Measure
from core.measures.measures import proportion
from core.refusal import Refusal
from core.search import trained_epochs
from core.store import Run, find
from core.words import duration, interval, number, percent, text

_boards: WeakKeyDictionary[Race, tuple[int, list[Row]]] = WeakKeyDictionary()
MOST_TESTED = 3  # runs whose test split is read for a race

STYLE = """
.race { width: 100%; border-collapse: collapse; line-height: 1.2; font-variant-numeric: tabular-nums; }
.race :is(th, td) { padding: 0.1rem 0.4rem; border: 0; text-align: left; vertical-align: middle; }
.race thead th { font-weight: 400; }
.race .who, .race .values { overflow-wrap: anywhere; }
.race .who b, .race .place { font-weight: 700; }
.race .place, .race .figure, .race .seconds { white-space: nowrap; }
.race tbody tr { border-top: 1px solid color-mix(in srgb, currentcolor 25%, transparent); }
.race .track { position: relative; min-width: 6rem; height: 1em; }
.race .track i { position: absolute; }
.race .range { top: calc(50% - 2px); height: 4px; background: currentcolor; }
.race .range::before, .race .range::after
  { content: ""; position: absolute; top: -0.3em; width: 2px; height: calc(0.6em + 4px); background: currentcolor; }
.race .range::before { left: 0; } .race .range::after { right: 0; }
.race .point { top: calc(50% - 0.4em); width: 0.8em; height: 0.8em; margin-left: -0.4em; border-radius: 50%;
  border: 2px solid currentcolor; box-sizing: border-box; background: #ffb000; }
.race .behind .point { border-radius: 0; background: transparent; }
.race .ends { display: flex; justify-content: space-between; }
"""


@dataclass(frozen=True)
class Row:
    """A trained run of a race."""

    run: str
    attempts: tuple[Attempt, ...]  # of all who have chosen it
    accuracy: Measure  # of the kept epoch, on val
    epochs: int
    seconds: float  # of training
    first: int  # place that it can have at best ...
    last: int  # ... and at worst; the same for runs that nothing tells apart
    test: Measure | None = None  # None until the test split has been read, and as long as the race is on

    @property
    def leads(self) -> bool:
        """Whether no run is better for certain."""
        return self.first == 1


@dataclass(frozen=True)
class _Outcome:
    accuracy: Measure
    epochs: int
    seconds: float


def rows(record: Record) -> list[Row]:
    """The board's rows, the highest val accuracy first.

    Two runs are told apart only where their intervals do not overlap: a run's best place is behind those that lie
    wholly above it, its worst before those that lie wholly below. So the places of runs that tie overlap, and a run can
    tie with two that differ from each other. Predictions on val, which a paired test would need, are stored only where
    the test split has been read.
    """
    shared: dict[str, list[Attempt]] = {}
    for one in record.attempts:
        if one.run and not one.stopped:
            shared.setdefault(one.run, []).append(one)
    found = {name: outcome for name in shared if (outcome := _outcome_of(name))}
    lows, highs = [one.accuracy.low for one in found.values()], [one.accuracy.high for one in found.values()]
    board = [
        Row(
            run=name,
            attempts=tuple(shared[name]),
            accuracy=one.accuracy,
            epochs=one.epochs,
            seconds=one.seconds,
            first=1 + sum(low > one.accuracy.high for low in lows),
            last=len(found) - sum(high < one.accuracy.low for high in highs),
            test=_test(name) if record.ended else None,
        )
        for name, one in found.items()
    ]
    return sorted(board, key=lambda row: (-row.accuracy.value, row.attempts[0].number))


def of(race: Race) -> list[Row]:
    """The rows of a race that is on, found anew when something has changed: each phone asks for them every second."""
    version = race.version
    if race not in _boards or _boards[race][0] != version:
        _boards[race] = version, rows(race.record)
    return _boards[race][1]


def winners(board: Sequence[Row]) -> list[Row]:
    """The rows of the highest val accuracy, at most `MOST_TESTED`: where chance decides, one is enough to test."""
    return [row for row in board if row.accuracy.value == board[0].accuracy.value][:MOST_TESTED]


def _outcome_of(name: str) -> _Outcome | None:
    """What a run has come to; None if it is not trained, not of a race, or gone."""
    try:
        run = find(name)
        return _outcome(run, run.log_length()) if TAG in run.label().tags else None
    except Refusal:
        return None


@functools.lru_cache(maxsize=1024)
def _outcome(run: Run, length: int) -> _Outcome | None:
    del length  # only part of the cache's key
    epochs = trained_epochs(run)
    if not epochs:
        return None
    report, n = run.report(), run.started().counts["val"]
    kept = report.best_epoch if report else epochs[-1].best_epoch
    of_kept = next(event.val_accuracy for event in epochs if event.epoch == kept)
    return _Outcome(proportion(round(of_kept * n), n), len(epochs), epochs[-1].seconds)


def _test(name: str) -> Measure | None:
    report: Report | None = find(name).report()
    return Measure(report.accuracy, *report.accuracy_interval, report.n) if report else None


def place_text(row: Row) -> str:
    """The places that a run can have: `1`, or `1–3`."""
    return f"{row.first}" if row.first == row.last else f"{row.first}–{row.last}"


def values_text(record: Record, places: Sequence[int], language: str, *, named: bool = True) -> str:
    """The chosen values, `Learning rate 0.01 · Batch size 64`; without their names, where a heading has them."""
    chosen = record.rules.chosen(places)
    said = [(label(name).say(language), written(name, value, language)) for name, value in chosen.items()]
    return " · ".join(f"{name} {value}" if named else value for name, value in said)


def how(board: Sequence[Row], language: str) -> str:
    """What the places mean, and that the best of several is partly luck."""
    if len(board) < 2:
        return ""
    return f"{text(language, 'race.tie')} {text(language, 'race.luck', count=len(board))}"


def table(record: Record, board: Sequence[Row], language: str, *, nicknames: bool, titles: bool, most: int = 0) -> str:
    """The board as a table of HTML; at most `most` rows, if that is not 0."""
    if not board:
        return f"<p>{escape(text(language, 'race.none_yet'))}</p>"
    shown = list(board[:most] if most else board)
    tested = any(row.test for row in board)
    low, high = _domain(board)
    head = [text(language, f"race.column.{name}") for name in ("place", "who")]
    head.append(" · ".join(label(one.name).say(language) for one in record.rules.choices))
    parts = "".join(f"<th>{escape(one)}</th>" for one in head)
    ends = "".join(f"<span>{escape(percent(end, 0, language=language))}</span>" for end in (low, high))
    parts += f'<th><div class="ends">{ends}</div></th>'
    accuracy = text(language, "race.column.accuracy", n=board[0].accuracy.n)
    parts += f"<th>{escape(accuracy)}</th><th>{escape(text(language, 'race.column.seconds'))}</th>"
    if tested:
        parts += f"<th>{escape(text(language, 'race.column.test'))}</th>"
    body = [
        _row(record, row, (low, high), language, nicknames=nicknames, titles=titles, tested=tested) for row in shown
    ]
    left = len(board) - len(shown)
    more = f"<p>{escape(text(language, 'race.more', count=left))}</p>" if left else ""
    return f'<table class="race"><thead><tr>{parts}</tr></thead><tbody>{"".join(body)}</tbody></table>{more}'


def section(record: Record, language: str) -> str:
    """The race as a part of the page of a lesson, without nicknames."""
    board = rows(record)
    title = text(language, "race.saved", number=record.number)
    shown = table(record, board, language, nicknames=False, titles=True)
    head = f"<h2>{escape(title)}</h2><style>{STYLE}</style>"
    return f"<section>{head}\n{shown}<p>{escape(how(board, language))}</p></section>"


def _row(
    record: Record,
    row: Row,
    domain: tuple[float, float],
    language: str,
    *,
    nicknames: bool,
    titles: bool,
    tested: bool,
) -> str:
    who = []
    for one in row.attempts:
        names = [f"<b>{escape(one.title)}</b>"] * bool(titles and one.title)
        names += [escape(one.nickname)] * bool(nicknames and one.nickname)
        who.append(f"<bdi>{' '.join(names) or f'#{one.number}'}</bdi>")
    of = row.accuracy
    low, width = domain[0], domain[1] - domain[0]

    def at(value: float) -> str:
        return f"{min(100.0, max(0.0, 100 * (value - low) / width)):.2f}%"

    span = f"{100 * (of.high - of.low) / width:.2f}%"
    track = f'<div class="track"><i class="range" style="left:{at(of.low)};width:{span}"></i>'
    track += f'<i class="point" style="left:{at(of.value)}"></i></div>'
    values = values_text(record, row.attempts[0].places, language, named=False)
    seconds = duration(row.seconds, language=language)
    cells = [
        f'<td class="place">{place_text(row)}{" ★" if row.leads else ""}</td>',
        f'<td class="who">{", ".join(who)}</td>',
        f'<td class="values">{escape(values)}</td>',
        f"<td>{track}</td>",
        f'<td class="figure">{escape(_figure(of, language))}</td>',
        f'<td class="seconds">{escape(seconds)}</td>',
    ]
    if tested:
        test = row.test
        said = f"{_figure(test, language)}, n = {number(test.n, language=language)}" if test else ""
        cells.append(f'<td class="figure">{escape(said)}</td>')
    return f"<tr{'' if row.leads else ' class=behind'}>{''.join(cells)}</tr>"


def _figure(of: Measure, language: str) -> str:
    return f"{percent(of.value, 1, language=language)} ({interval(of.low, of.high, 1, language=language)})"


def _domain(board: Sequence[Row]) -> tuple[float, float]:
    """The ends of the axis, in tenths: all intervals fit."""
    low, high = min(row.accuracy.low for row in board), max(row.accuracy.high for row in board)
    return math.floor(10 * low) / 10, math.ceil(10 * high) / 10
