"""Accuracies, as the class and the saved page are told them."""

from __future__ import annotations

import math

import numpy as np

from core import store
from core.measures.answers import Measure
from core.measures.measures import by_writer, proportion
from core.refusal import Refusal
from core.words import interval, percent, text


def accuracy_on_test(run: str) -> Measure | None:
    """A run's accuracy on its own test split; None if it has none, or there is no such run any more."""
    try:
        report = store.find(run).report()
    except Refusal:
        return None
    return Measure(report.accuracy, *report.accuracy_interval, report.n) if report else None


def share_of_right(right: np.ndarray, whose: np.ndarray) -> Measure:
    """The share of right answers, bool (N,), with an interval that holds for other people, or for the only person's."""
    people = whose.tolist()
    return by_writer(right, people) if len(set(people)) > 1 else proportion(int(right.sum()), len(right))


def accuracy_text(of: Measure, language: str, digits: int = 1) -> str:
    """An accuracy in percent with its interval, if there is one, and its n."""
    value = percent(of.value, digits, language=language)
    if not math.isfinite(of.low):
        return text(language, "class.figure_alone", accuracy=value, n=of.n)
    ends = interval(of.low, of.high, digits, language=language)
    return text(language, "class.figure", accuracy=value, interval=ends, n=of.n)
