"""The figures of a report beside the measured ones, as text in a language."""

from __future__ import annotations

from dataclasses import dataclass

from core.measures.measures import wilson
from core.recipes import RECIPES
from core.recipes.results import Result, Row, epochs_to
from core.words import number, percent, text

# Figures that are counts.
WHOLE = ("errors", "parameters", "frozen_parameters", "trainable_parameters", "best_epoch")
WHOLE += ("epochs_to_98", "max_val_epoch")


@dataclass(frozen=True)
class Line:
    """One figure of a report beside what was measured."""

    figure: str  # its text key
    reported: str  # "–" if the report does not state it
    measured: str  # "" if nothing was measured
    origin: str  # where it stands, a text key; "" if nowhere
    doubted: bool  # whether the reported figure is not what it seems


def lines(row: Row, language: str) -> list[Line]:
    """The figures of a row's report, the accuracy first, and the numbers of parameters that it does not state."""
    one = RECIPES[row.recipe]
    doubted = {figure for figure, _ in one.errata if figure in one.figures}
    names = [*(one.stated or ["accuracy"]), *one.computed]
    origins = {name: f"origin.{stated.origin}" for name, stated in one.stated.items()}
    origins |= dict.fromkeys(one.computed, "origin.computed")
    measured = {name: figure_text(name, row.measured(name), language) for name in names if row.results}
    measured |= {"accuracy": accuracy_text(row, language)}
    measured |= {name: figure_text(name, count, language) for name, count in one.computed.items()}
    if "epochs_to_98" in names and row.results:
        reached = [one for one in row.results if one.figure("epochs_to_98") is not None]
        if not reached:
            best = max(row.results, key=lambda one: max(one.val_accuracy))
            measured["epochs_to_98"] = reached_text(best, 0.98, language)
        elif len(reached) < len(row.results):
            measured["epochs_to_98"] += f" ({len(reached)}/{len(row.results)})"
    return [
        Line(
            f"figure.{name}",
            reported_text(row.recipe, name, language),
            measured.get(name, ""),
            origins.get(name, ""),
            name in doubted,
        )
        for name in names
    ]


def reported_text(recipe: str, figure: str, language: str) -> str:
    """What a recipe's report states of a figure, an accuracy with its interval; a dash if it does not."""
    one = RECIPES[recipe]
    if figure not in one.figures:
        return "–"
    value, n = one.figures[figure], one.n or 0
    if figure == "accuracy":
        return _with_interval(value, wilson(value * n, n), language)
    return figure_text(figure, value, language)


def accuracy_text(row: Row, language: str) -> str:
    """The measured accuracy with its interval, the number of seeds and their spread; "" if there is none."""
    words = mean_text(row, language)
    if not words:
        return ""
    spread = row.verdict.spread
    words += f", {text(language, 'recipes.seeds', count=row.verdict.seeds)}"
    words += "" if spread is None else f" ± {number(100 * spread, 2, language=language)}"
    return text(language, "test_use.mark", accuracy=words) if row.results[0].test_use == "selected" else words


def mean_text(row: Row, language: str) -> str:
    """The mean of the measured accuracies with its interval; "" if there is none."""
    found = row.verdict
    if found.measured is None or found.interval is None:
        return ""
    return _with_interval(found.measured, found.interval, language)


def figure_text(figure: str, value: float | None, language: str) -> str:
    """A figure's value; a dash for None."""
    if value is None:
        return "–"
    if figure in WHOLE:
        return number(value, 0 if float(value).is_integer() else 1, language=language)
    return number(value, 4, language=language) if figure == "loss" else percent(value, 2, language=language)


def reached_text(one: Result, target: float, language: str) -> str:
    """The first epoch with this accuracy on val, or that there is none and the best one instead."""
    epoch = epochs_to(target, one.val_accuracy)
    if epoch:
        return number(epoch, language=language)
    return text(language, "recipes.not_reached", best=percent(max(one.val_accuracy), 2, language=language))


def _with_interval(value: float, ends: tuple[float, float], language: str) -> str:
    """A share and its interval, as narrow as a table needs it: `98.47% (98.21–98.69)`."""
    low, high = (number(100 * end, 2, language=language) for end in ends)
    return f"{percent(value, 2, language=language)} ({low}–{high})"
