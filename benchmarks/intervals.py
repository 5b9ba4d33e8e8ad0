"""Simulates how often intervals hold the truth and verdicts accuse wrongly: `python -m benchmarks.intervals`.

The simulated models are those of `tests/simulation.py`, whose truth is known. Needs no data, and about ten minutes.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a script gets its own folder there, not the repository's

import numpy as np  # noqa: E402

from benchmarks.results import machine, say  # noqa: E402
from core.measures.answers import Answers, stored_answers  # noqa: E402
from core.measures.measures import wilson  # noqa: E402
from core.store import runs  # noqa: E402
from tests.simulation import (  # noqa: E402
    ACCURACIES,
    CONFIDENCES,
    ERRORS,
    OVERALL,
    SUPPORTS,
    accused,
    equal_specs_told_apart,
    false_alarms,
    loss_coverage,
    matrix_coverage,
    mean_coverage,
    picked_best,
    picked_epoch,
    synthetic,
)

SEARCHES = 100  # simulations of searches with all their epochs
FEW, MANY = 400, 10_000  # simulations of each case; of the three worst cases, again with other random numbers
CALIBRATED = {100: 4_000, 300: 4_000, 1_000: 4_000, 10_000: 1_000}  # models of each accuracy and kind, by n
SAMPLES = 1_000  # of each population of losses
FIGURES = 40_000  # correct figures that are judged
RATIOS = (0, 0.25, 1, 4, 20, 1_000)
TEMPERATURES = (None, 0.8, 1.25)
SPREADS = (0, 0.1, 0.5)  # of what a seed adds to the logits


def main() -> None:
    """Simulate, print, and write with `--update`."""
    parser = argparse.ArgumentParser(description="Simulate the coverage of intervals and the false alarms of verdicts.")
    parser.add_argument("--update", action="store_true", help="write the section into RESULTS.md")
    options = parser.parse_args()
    parts: Iterable[Callable[[], str]] = (overall, proportions, gaps, losses, verdicts, means, specs, picked, searched)
    sections = [machine(f"numpy {np.__version__}"), *(part() for part in parts)]
    say("intervals.py", sections, options.update, between="\n\n")


def overall() -> str:
    """The coverage of the intervals of balanced accuracy, F1 and kappa, in every kind of split."""
    rows = []
    for split, support in SUPPORTS.items():
        cases = list(itertools.product(ACCURACIES, ERRORS, (True, False)))
        found = {
            case: matrix_coverage(support, *case[:2], fixed=case[2], times=FEW, seed=place)
            for place, case in enumerate(cases)
        }
        worst = {name: sorted(cases, key=lambda case: found[case][name])[:3] for name in OVERALL}
        again = {
            case: matrix_coverage(support, *case[:2], fixed=case[2], times=MANY, seed=len(cases) + place)
            for place, case in enumerate(sorted(set(itertools.chain(*worst.values()))))
        }
        cells = []
        for name in OVERALL:
            case = min(worst[name], key=lambda case: again[case][name])
            mean = statistics.mean(one[name] for one in found.values())
            cells.append(f"{_percent(mean)}; {_percent(again[case][name])} ({case[0]}, {case[1]})")
        rows.append((split, *cells))
        _tell(rows[-1])
    words = (
        f"Balanced accuracy, F1 and kappa: the mean over {len(ACCURACIES) * len(ERRORS) * 2} cases ({len(ACCURACIES)} "
        f"accuracies from {ACCURACIES[0]} to {ACCURACIES[-1]}, errors of {len(ERRORS)} kinds, images of each class "
        f"fixed or drawn; n = {FEW} splits each), and the least: the worst of the three lowest cases, simulated again "
        f"with n = {MANY:,} other splits (accuracy and kind of errors in brackets)."
    )
    return _table(words, ("test split", "balanced accuracy", "macro F1", "weighted F1", "kappa"), rows)


def proportions() -> str:
    """The coverage of Wilson's interval, exactly, by the binomial distribution."""
    from scipy.stats import binom

    rows = []
    for n in (100, 1_000, 10_000):
        ends = [wilson(correct, n) for correct in range(n + 1)]
        shares = {
            p: sum(float(binom.pmf(k, n, p)) for k, (low, high) in enumerate(ends) if low <= p <= high)
            for p in ACCURACIES
        }
        least = min(shares, key=lambda p: shares[p])
        rows.append((f"{n:,}", _percent(statistics.mean(shares.values())), f"{_percent(shares[least])} ({least})"))
    words = (
        f"Wilson's interval of accuracy, precision and recall, exactly, at the {len(ACCURACIES)} accuracies. F1 of a "
        "class has the interval of a proportion too. Near 1 its coverage depends on where n p lies between whole "
        "numbers; on average it is 95 %."
    )
    return _table(words, ("n", "mean", "least (accuracy)"), rows)


def gaps() -> str:
    """How often a calibrated model is called overconfident or underconfident."""
    rows = []
    cases = list(itertools.product((0.8, 0.9, 0.95, 0.98, 0.99, 0.995), CONFIDENCES))
    for n, times in CALIBRATED.items():
        found = {case: accused(n, *case, times=times, seed=place) for place, case in enumerate(cases)}
        ends = (min(found, key=lambda case: found[case]), max(found, key=lambda case: found[case]))
        told = [f"{_percent(found[case])} ({case[0]}, {case[1]})" for case in ends]
        rows.append((f"{n:,}", f"{len(cases)} x {times:,}", _percent(statistics.mean(found.values())), *told))
        _tell(rows[-1])
    words = (
        "Calibrated models that *Model confidence* calls overconfident or underconfident (nominal: 5 %), for "
        "accuracies from 0.8 to 0.995 and confidences that are equal, near 1 but for a few images (sharp), or spread."
    )
    return _table(words, ("test images", "models", "mean", "least", "most"), rows)


def losses() -> str:
    """The coverage of the intervals of the loss and of its change by a temperature."""
    everything: dict[str, Answers] = {}
    for run in runs(ROOT / "models_store"):
        answers = stored_answers(run)
        assert answers
        everything[f"`{run.name}`"] = answers
    for sharpness, temperature in ((3, 1), (8, 1), (8, 2.5), (8, 0.4)):
        everything[f"simulated, logits spread by {sharpness}, temperature {temperature}"] = synthetic(
            sharpness, temperature
        )
    rows = []
    for name, answers in everything.items():
        errors = f"{100 * (1 - answers.is_right.mean()):.2f} %"
        for n in (100, 300, 1_000, 3_000, 10_000):
            cells = []
            for temperature in TEMPERATURES:
                times = SAMPLES if n <= 3_000 else SAMPLES // 2
                given, held = loss_coverage(answers, n, temperature=temperature, times=times, seed=n)
                cells.append(f"{_percent(held)} of {100 * given:.0f} %" if not math.isnan(held) else "none given")
            rows.append((name, errors, f"{n:,}", *cells))
            _tell(rows[-1])
    words = (
        f"Loss, and its change by a temperature: of the samples of n images that get an interval, the share whose "
        f"interval holds the truth (n = {SAMPLES:,} samples, half as many of 10,000 images). Where few samples get "
        "one, these are the ones with the most doubtful images, so a share of few samples says little."
    )
    heads = ("answers to draw from", "errors", "images", "loss", "change by 0.8", "change by 1.25")
    return _table(words, heads, rows)


def verdicts() -> str:
    """How often a correct figure is called better or worse."""
    rows = []
    for seeds in (3, 5):
        shares = [_percent(false_alarms(seeds, ratio, times=FIGURES, seed=seeds)) for ratio in RATIOS]
        rows.append((str(seeds), *shares))
        _tell(rows[-1])
    words = (
        f"Correct figures that are called *better* or *worse* (nominal: at most 5 %; n = {FIGURES:,} each), by the "
        "variance that comes from the seeds, as a multiple of that from the test images of both sides."
    )
    return _table(words, ("seeds", *(f"{ratio:,}" for ratio in RATIOS)), rows)


def means() -> str:
    """The coverage of the interval of a mean over seeds."""
    rows = []
    for accuracy, n, seeds in itertools.product((0.5, 0.9, 0.99), (1_000, 10_000), (3, 5)):
        ratios = enumerate(RATIOS[:4])
        shares = [mean_coverage(accuracy, n, seeds, ratio, times=MANY, seed=place) for place, ratio in ratios]
        rows.append((f"{accuracy}", f"{n:,}", str(seeds), *map(_percent, shares)))
        _tell(rows[-1])
    words = (
        f"The interval of a mean accuracy over seeds ({MANY:,} means each), by the variance of a seed's accuracy, as a "
        "multiple of that from the test images, which all seeds share."
    )
    return _table(words, ("accuracy", "n", "seeds", *(f"{ratio:,}" for ratio in RATIOS[:4])), rows)


def specs() -> str:
    """How often two equally good specs are told apart."""
    rows = []
    for seeds, paired in itertools.product((1, 2, 3, 5), (True, False)):
        shares = [
            _percent(equal_specs_told_apart(seeds, spread, paired=paired, times=SAMPLES, seed=seeds))
            for spread in SPREADS
        ]
        rows.append((str(seeds), "yes" if paired else "no", *shares))
        _tell(rows[-1])
    words = (
        f"Equally good specs whose difference is called real (nominal: at most 5 %; n = {SAMPLES:,} pairs each, 1,000 "
        "images), by the standard deviation that a seed adds to the logits. With one seed, two trained networks are "
        "compared."
    )
    return _table(words, ("seeds", "paired", *map(str, SPREADS)), rows)


def picked() -> str:
    """What is said of the best of many runs, and what is true."""
    rows = []
    for count, apart in itertools.product((2, 6, 20), (0.0, 0.1, 0.4)):
        found = picked_best(count, apart, times=FEW, seed=count)
        names = ("best", "truth", "lift", "most_lift", "near", "near_alone", "told")
        rows.append((str(count), f"{apart}", *(_percent(found[name]) for name in names)))
        _tell(rows[-1])
    words = (
        f"The best of several runs, picked by 1,000 val images (n = {FEW} searches each): its accuracy there, its true "
        "accuracy, what the bootstrap expects and what is expected at least without the answers; how often the truly "
        "best run is in the noise band, with answers and without (nominal: at least 95 %); runs not in the band."
    )
    heads = ("runs", "spread", "best", "truth", "bootstrap", "without", "in the band", "without", "told apart")
    return _table(words, heads, rows)


def searched() -> str:
    """What chance adds to the best epoch of many runs, and what is said of it."""
    rows = []
    for count, apart in itertools.product((6, 20), (0.0, 0.1, 0.4, 1.0)):
        found = picked_epoch(count, apart, times=SEARCHES, seed=count)
        told = (found[name] for name in ("lift", "of_epochs", "of_best", "most_lift"))
        rows.append((str(count), f"{apart}", *(f"{100 * mean:.2f} ± {100 * error:.2f}" for mean, error in told)))
        _tell(rows[-1])
    words = (
        f"The best of all epochs of several runs of 10 epochs, picked by 1,000 val images (n = {SEARCHES} searches "
        "each): how many percentage points chance added to its accuracy (± standard error), and how many are told by "
        "the bootstrap of all epochs, of each run's best epoch alone, and at most by the accuracies alone."
    )
    return _table(words, ("runs", "spread", "added by chance", "all epochs", "best epochs", "at most"), rows)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _table(words: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (heads, ["---"] * len(heads), *rows)
    return words + "\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _tell(row: Sequence[str]) -> None:
    print(*row, sep=" | ", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
