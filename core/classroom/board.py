"""The board of a race: its runs by val accuracy, and the places that each can have, for the wall and the saved page."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from weakref import WeakKeyDictionary

from core.classroom.figures import accuracy_on_test, accuracy_text
from core.classroom.race import TAG, Attempt, Race, Record
from core.classroom.rules import label, written
from core.measures.answers import Measure
from core.measures.measures import proportion
from core.refusal import Refusal
from core.search import trained_epochs
from core.store import Run, find
from core.words import duration, interval, percent, text

_boards: WeakKeyDictionary[Race, tuple[int, list[Row]]] = WeakKeyDictionary()
MOST_NAMED = 2  # attempts in a brief row
MOST_ROWS = 11  # on a projector, and on a phone
MOST_TESTED = 3  # runs whose test split is read for a race

STYLE = """
.race { width: 100%; min-width: 50rem; border-collapse: collapse; table-layout: fixed; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.race :is(th, td) { padding: 0.1rem 0.4rem; border: 0; text-align: left; vertical-align: middle; }
.race thead th { font-weight: 400; }
.race .place { width: 4rem; font-weight: 700; white-space: nowrap; } .race .figure { width: 13rem; }
.race .seconds { width: 4rem; } .race .who { width: 24%; } .race .values { width: 20%; }
.race.brief .figure { width: 3.5rem; }
.race.brief td { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.race td:is(.figure, .seconds) { white-space: nowrap; }
.race tbody tr { border-top: 1px solid color-mix(in srgb, currentcolor 25%, transparent); }
.race .track { position: relative; height: 1em; }
.race .track i { position: absolute; font-style: normal; line-height: 1; }
.race .range { top: calc(50% - 2px); height: 4px; background: currentcolor; }
.race .range::before, .race .range::after
  { content: ""; position: absolute; top: -6px; width: 2px; height: 16px; background: currentcolor; }
.race .range::before { left: 0; } .race .range::after { right: 0; }
.race .point { top: calc(50% - 6px); width: 12px; height: 12px; margin-left: -6px; border-radius: 50%;
  border: 2px solid currentcolor; box-sizing: border-box; background: #ffb000; }
.race .behind .point { border-radius: 0; background: currentcolor; }
.race .ends { display: flex; justify-content: space-between; }
"""


@dataclass(frozen=True)
class Row:
    """A trained run of a race."""

    run: str
    attempts: tuple[Attempt, ...]  # of all who have chosen it
    accuracy: Measure  # of the kept epoch, on val; the intervals of all rows hold together
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
    correct: int  # of the n images of val
    n: int
    epochs: int
    seconds: float


def rows(record: Record) -> list[Row]:
    """The board's rows, the highest val accuracy first.

    Two runs are told apart only where their intervals do not overlap, which are those of all runs together: else, of
    forty equal runs, some two would be told apart in most races. A run's best place is behind those that lie
    wholly above it, its worst before those that lie wholly below. So the places of runs that tie overlap, and a run can
    tie with two that differ from each other. A paired test would tell more of them apart, but not by an interval for
    each run, which a class can see.
    """
    shared: dict[str, list[Attempt]] = {}
    for one in record.attempts:
        if one.run and not one.stopped:
            shared.setdefault(one.run, []).append(one)
    found = {name: outcome for name in shared if (outcome := _outcome_of(name))}
    shares = {name: proportion(one.correct, one.n, len(found)) for name, one in found.items()}
    lows, highs = [one.low for one in shares.values()], [one.high for one in shares.values()]
    board = [
        Row(
            run=name,
            attempts=tuple(shared[name]),
            accuracy=shares[name],
            epochs=one.epochs,
            seconds=one.seconds,
            first=1 + sum(low > shares[name].high for low in lows),
            last=len(found) - sum(high < shares[name].low for high in highs),
            test=accuracy_on_test(name) if record.ended else None,
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
    return _Outcome(round(of_kept * n), n, len(epochs), epochs[-1].seconds)


def place_text(row: Row) -> str:
    """The places that a run can have: `1`, or `1–3`."""
    return f"{row.first}" if row.first == row.last else f"{row.first}–{row.last}"


def place_with_star(row: Row) -> str:
    """The same, and a star if no run is better for certain."""
    return place_text(row) + (" ★" if row.leads else "")


def values_text(record: Record, places: Sequence[int], language: str, *, named: bool = True) -> str:
    """The chosen values, `Learning rate 0.01 · Batch size 64`; without their names, where a heading has them."""
    chosen = record.rules.chosen(places)
    said = [(label(name).say(language), written(name, value, language)) for name, value in chosen.items()]
    return " · ".join(f"{name} {value}" if named else value for name, value in said)


def notes(board: Sequence[Row], language: str, *, titles: bool) -> list[str]:
    """What stands below the board: the accuracy on test of runs whose test split has been read; what places mean."""
    how = text(language, "race.how", count=len(board)) if len(board) > 1 else ""
    return [one for one in (_tested(board, language, titles=titles), how) if one]


def _tested(board: Sequence[Row], language: str, *, titles: bool) -> str:
    said = []
    for row in board:
        if of := row.test:
            first = row.attempts[0]
            who = first.title if titles and first.title else f"#{first.number}"
            said.append(f"{who}: {accuracy_text(of, language)}")
    return text(language, "race.tested", figures="; ".join(said)) if said else ""


def who_text(row: Row, *, nicknames: bool, titles: bool) -> str:
    """Whose run it is, in a line: titles and nicknames, or numbers where they are hidden."""
    said = []
    for one in row.attempts[:MOST_NAMED]:
        names = [one.title] * titles + [one.nickname] * nicknames
        said.append(" ".join(filter(None, names)) or f"#{one.number}")
    others = len(row.attempts) - len(said)
    return ", ".join(said) + (f" +{others}" if others else "")


def more_text(board: Sequence[Row], shown: Sequence[Row], language: str) -> str:
    """How many rows are not shown; "" if all are."""
    left = len(board) - len(shown)
    return text(language, "race.more", count=left) if left else ""


def table(record: Record, board: Sequence[Row], language: str, *, nicknames: bool, titles: bool, brief: int = 0) -> str:
    """The board as a table of HTML; if `brief` is not 0, with so many rows at most, each of a single line."""
    if not board:
        return f"<p>{escape(text(language, 'race.none_yet'))}</p>"
    axis = axis_of(board)
    ends = "".join(f"<span>{escape(percent(end, 0, language=language))}</span>" for end in axis)
    head = {
        "place": escape(text(language, "race.column.place")),
        "who": escape(text(language, "race.column.who")),
        "values": escape(" · ".join(label(one.name).say(language) for one in record.rules.choices)),
        "accuracy": f'<div class="ends">{ends}</div>',
        "figure": escape(text(language, "race.column.accuracy", n=board[0].accuracy.n)),
        "seconds": escape(text(language, "race.column.seconds")),
    }
    cells = "".join(f'<th class="{name}">{words}</th>' for name, words in head.items())
    shown = board[:brief] if brief else board
    said = [_row(record, row, axis, language, nicknames=nicknames, titles=titles, brief=bool(brief)) for row in shown]
    more = f"<p>{escape(left)}</p>" if (left := more_text(board, shown, language)) else ""
    named = "race brief" if brief else "race"
    return f'<table class="{named}"><thead><tr>{cells}</tr></thead><tbody>{"".join(said)}</tbody></table>{more}'


def section(record: Record, language: str, *, titles: bool) -> str:
    """The race as a part of the page of a lesson, without nicknames, and without titles if they are hidden too."""
    board = rows(record)
    title = text(language, "race.saved", number=record.number)
    shown = table(record, board, language, nicknames=False, titles=titles)
    below = "".join(f"<p>{escape(one)}</p>" for one in notes(board, language, titles=titles))
    return f"<section><h2>{escape(title)}</h2><style>{STYLE}</style>\n{shown}{below}</section>"


def _row(
    record: Record,
    row: Row,
    axis: tuple[float, float],
    language: str,
    *,
    nicknames: bool,
    titles: bool,
    brief: bool,
) -> str:
    who = []
    for one in row.attempts[: MOST_NAMED if brief else None]:
        names = [f"<b>{escape(one.title)}</b>"] * bool(titles and one.title)
        names += [escape(one.nickname)] * bool(nicknames and one.nickname)
        who.append(f"<bdi>{' '.join(names) or f'#{one.number}'}</bdi>")
    others = len(row.attempts) - len(who)
    of = row.accuracy
    value = percent(of.value, 1, language=language)
    cells = {
        "place": place_with_star(row),
        "who": ", ".join(who) + (f" +{others}" if others else ""),
        "values": escape(values_text(record, row.attempts[0].places, language, named=False)),
        "accuracy": _track(of, axis),
        "figure": escape(value if brief else figure_text(of, language)),
        "seconds": escape(duration(row.seconds, language=language)),
    }
    said = "".join(f'<td class="{name}">{words}</td>' for name, words in cells.items())
    return f"<tr{'' if row.leads else ' class=behind'}>{said}</tr>"


def _track(of: Measure, axis: tuple[float, float]) -> str:
    """The accuracy as a point on its interval; an arrow for one that lies left of the axis."""
    low, width = axis[0], axis[1] - axis[0]
    if of.value < low:
        return '<div class="track"><i>◀</i></div>'
    left, at, right = (100 * max(0.0, value - low) / width for value in (of.low, of.value, of.high))
    span = f'<i class="range" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>'
    return f'<div class="track">{span}<i class="point" style="left:{at:.2f}%"></i></div>'


def figure_text(of: Measure, language: str) -> str:
    """An accuracy in percent with the ends of its interval."""
    return f"{percent(of.value, 1, language=language)} ({interval(of.low, of.high, 1, language=language)})"


def axis_of(board: Sequence[Row]) -> tuple[float, float]:
    """The ends of the axis, in twentieths: the intervals of the better half fit, where ties have to be seen."""
    better = board[: max(3, math.ceil(len(board) / 2))]
    low, high = min(row.accuracy.low for row in better), max(row.accuracy.high for row in board)
    return math.floor(20 * low) / 20, math.ceil(20 * high) / 20
