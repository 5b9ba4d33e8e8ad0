"""Commands of searches: one that tries values of a spec's fields, and the loop by which every search is carried out."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core import store
from core.commands.terminal import decimals, language, number, say, t
from core.commands.training import given, work_at
from core.measures.selection import MANY, lift_sentence, most_lift, noise_band, simplest
from core.refusal import Refusal
from core.search import (
    Cell,
    Driver,
    Search,
    accuracies_of,
    cells,
    chosen,
    failures,
    known_runs,
    later,
    parameters,
    trained_epochs,
    trainings,
)
from core.search.study import VARIANT, Study, named, option_words, options_of, read_varied, study, study_of
from core.spec import RunSpec, checked, read_field
from core.store import Run
from core.training.ready import ready
from core.words import FALLBACK, text

FAILED = 1  # the exit code of a search that cannot go on because trainings have failed
Tell = Callable[[Sequence[Cell], Mapping[RunSpec, Run]], None]


def carry_out(
    options: argparse.Namespace, driver: Driver, search: Search, tell: Tell, name: str, variant: str, **others: Any
) -> tuple[int, list[Cell], dict[RunSpec, Run]]:
    """Run what is missing of the driver's search `name`, one training after the other.

    `tell` is called with what is known before each training and in the end. Returns the exit code, the cells and the
    runs: 0 once the test split of the chosen run has been read, `FAILED` if all trainings that are left have failed,
    else why a training was left.
    """
    failed: set[RunSpec] = set()
    while True:
        runs = known_runs(store.runs())
        found = cells(search, accuracies_of(runs), variant, **others)
        tell(found, runs)
        best = chosen(search, found)
        if best and runs[best.spec].report():
            return 0, found, runs
        left = [cell.spec for cell in found if cell.measured is None and cell.spec not in failed]
        if failed and not left:
            return FAILED, found, runs
        ready(best.spec if best else left[0], language())
        # None, if another has just ended it.
        for run in driver.runs(name, variant, most=1, without=failed, **others):
            run.ask("run")
            try:
                if code := work_at(run, options):
                    return code, found, runs
            except Refusal as refusal:
                if best or run.status() != "failed":
                    raise
                print(t(refusal.key, **refusal.slots), file=sys.stderr)  # the stage's other trainings go on
                failed.add(run.spec)


def search(options: argparse.Namespace) -> int:
    """Try values of some fields of a spec; tell each training that is done and, last, which option is the best."""
    asked = _study(options)
    of_study, told = asked.search(), set[RunSpec]()
    driver = Driver({asked.name: of_study}, {asked.name: asked.label()})
    first = cells(of_study, lambda _: None, VARIANT)
    count = len(dict.fromkeys(cell.spec for cell in first)) + later(of_study, first)
    say(options, {"study": asked.name, "way": asked.way, "runs": count}, t("cli.study", study=asked.name, count=count))

    def tell(found: Sequence[Cell], runs: Mapping[RunSpec, Run]) -> None:
        done, of = trainings(of_study, found)
        for cell in found:
            if cell.measured is not None and cell.spec not in told:
                told.add(cell.spec)
                facts = _facts(asked, cell, runs) | {"done": done, "of": of}
                words = option_words(asked, cell.spec, language())
                say(options, facts, f"{done}/{of}  {words}: {decimals(cell.measured)}")

    code, found, runs = carry_out(options, driver, of_study, tell, asked.name, VARIANT)
    if code == FAILED:
        for cell, failure in failures(found, runs).items():
            facts = {"study": asked.name, "run": runs[cell.spec].name, "error": failure.error, "slots": failure.slots}
            say(options, facts, f"{runs[cell.spec].name}: {t(failure.error, **failure.slots)}")
    elif best := chosen(of_study, found):
        _tell_best(options, asked, found, best, runs)
    return code


def _study(options: argparse.Namespace) -> Study:
    """The study that the options name or describe. Raises: Refusal."""
    if options.continue_study:
        return study(options.continue_study, store.runs())
    varied = {}
    for one in options.vary or ():
        field, _, written = one.partition("=")
        field = field.replace("-", "_")
        values = [written] if ".." in written else [part.strip() for part in written.split(",")]
        if field in RunSpec.model_fields:
            values = [read_field(field, value, FALLBACK) for value in values]
        varied[field] = read_varied(field, values)
    fixed = given(options, RunSpec.model_fields)
    asked = named(checked(fixed), options.way, varied, options.runs, options.study or "")
    there = next((found for run in store.runs() if (found := _of_name(run, asked.name))), None)
    if there and _trainings(there) != _trainings(asked):
        raise Refusal("error.study_taken", study=asked.name)
    return asked


def _of_name(run: Run, name: str) -> Study | None:
    with contextlib.suppress(Refusal):  # damaged
        return study_of(run) if run.label().study == name else None
    return None


def _trainings(of: Study) -> tuple[str, list[RunSpec]]:
    """What tells a study from others of its name: its plan and its first trainings."""
    return of.plan(), [cell.spec for cell in cells(of.search(), lambda _: None, VARIANT)]


def _facts(asked: Study, cell: Cell, runs: Mapping[RunSpec, Run]) -> dict[str, Any]:
    facts = {"study": asked.name, "run": runs[cell.spec].name, "options": options_of(asked, cell.spec)}
    return facts | {"stage": cell.stage, "val_accuracy": cell.measured}


def _tell_best(
    options: argparse.Namespace, asked: Study, found: Sequence[Cell], best: Cell, runs: Mapping[RunSpec, Run]
) -> None:
    """The winner with its test accuracy, the simplest as good, the options that noise hides, and what chance adds."""
    compared = {cell.spec: cell for cell in found if cell.measured is not None}  # each training once
    here = list(compared.values())
    accuracies, n = [cell.measured or 0.0 for cell in here], runs[best.spec].started().counts["val"]
    sizes = [parameters(cell.spec) for cell in here]
    rule, band = simplest(accuracies, sizes, n), noise_band(accuracies, n)
    report = runs[best.spec].report()
    assert report

    def words(cell: Cell) -> str:
        return option_words(asked, cell.spec, language())

    near = [cell for cell, is_near in zip(here, band.is_near, strict=True) if is_near]
    facts: dict[str, Any] = {"study": asked.name, "winner": _facts(asked, best, runs)}
    facts |= {"accuracy": report.accuracy, "accuracy_interval": report.accuracy_interval, "n": report.n, "n_val": n}
    facts["simplest"] = _facts(asked, here[rule.place], runs) | {"parameters": sizes[rule.place]}
    facts |= {"standard_error": rule.standard_error, "noise_band": [runs[cell.spec].name for cell in near]}
    second = sorted(band.behind)[1] if len(here) > 1 else 0
    facts["decided_by"] = {"images": second, "of": n}
    low, high = map(decimals, report.accuracy_interval)
    lines = [t("cli.chosen", option=words(best), accuracy=decimals(report.accuracy), low=low, high=high, n=report.n)]
    slots = {"option": words(here[rule.place]), "accuracy": decimals(accuracies[rule.place]), "n": n}
    slots |= {"best": decimals(best.measured), "error": decimals(rule.standard_error), "parameters": sizes[rule.place]}
    lines.append(t("cli.simplest", source=t("search.measured_short"), **slots))
    lines.append(t("cli.noise_band", count=len(near), all=len(here), images=number(second), n=n))
    lines += [f"  {words(cell)}: {decimals(cell.measured)}" for cell in near]
    facts["lift"] = None
    if len(here) > MANY:
        looks = [epoch.val_accuracy for cell in here for epoch in trained_epochs(runs[cell.spec])]
        lifted = most_lift(looks, n)
        key, told = lift_sentence(lifted, len(here), language())
        lines.append(t(key, **told))
        key, told = lift_sentence(lifted, len(here), FALLBACK)
        facts["lift"] = {"at_most": lifted.value, "expected": lifted.expected, "words": text(FALLBACK, key, **told)}
    say(options, facts, "\n".join(lines))
