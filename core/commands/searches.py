"""The command `search`: values of some fields are tried, each training is told, and last which one is best."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from typing import Any

from core import store
from core.commands.terminal import decimals, language, say, t
from core.commands.training import given, work_at
from core.events import Failure
from core.measures.selection import MANY, decision, decision_sentence, lift_sentence, lift_with_epochs
from core.refusal import Refusal
from core.search import cells, parameters, trained_epochs
from core.search.rules import is_used_up
from core.search.studies import Studies
from core.search.study import VARIANT, Study, named, option_words, options_of, read_varied, study, study_of
from core.search.trainings import Training, best, progress_of, read_tests, spent, to_come, trainings
from core.spec import RunSpec, checked, read_field
from core.store import Run
from core.training.ready import ready
from core.words import FALLBACK, text

FAILED = 1  # the exit code of a search that ends without a run to choose
RUNS = 20  # that `random` and `tpe` try, unless another number is given


def search(options: argparse.Namespace) -> int:
    """Try values of some fields of a spec; tell each training that is over and, last, which one is the best."""
    studies = Studies(at_once=1)
    asked = _study(options, studies)
    found, told = trainings(asked, store.runs()), set[RunSpec]()
    count = len(found) + to_come(asked, found)
    facts = {"study": asked.name, "way": asked.way, "runs": count, "minutes": asked.minutes, "prune": asked.prune}
    say(options, facts, t("cli.study", study=asked.name, count=count))
    again = [one.run for one in found if one.run and one.state == "failed"]  # once more, as a worker may lack memory
    if not all(one.is_tried for one in found) or not found:
        ready(next((one.spec for one in found if not one.is_tried), _first(asked)), language())
    left: Run | None = None  # by its worker without a new event
    while True:
        found = trainings(asked, store.runs())
        _tell_tried(options, asked, [one for one in found if one.run not in again], told)
        runs = again[:1] or studies.needed(asked)
        again = again[1:]
        if not runs:
            break
        if runs[0] == left:  # it would be for ever
            return FAILED
        run, length = runs[0], runs[0].log_length()
        run.ask("run")
        try:
            if (code := work_at(run, options)) and not is_used_up(run):
                return code
        except Refusal as refusal:
            if run.status() != "failed":
                raise
            print(t(refusal.key, **refusal.slots), file=sys.stderr)  # the other trainings go on
        left = None if run.log_length() > length else run
    for one in found:
        if one.run and one.state == "failed" and (failure := one.run.last(Failure)):
            facts = {"study": asked.name, "run": one.run.name, "error": failure.error, "slots": failure.slots}
            say(options, facts, f"{one.run.name}: {t(failure.error, **failure.slots)}")
    if not best(found):
        raise Refusal("error.study_without_result", study=asked.name)
    _tell_best(options, asked, found)
    return 0


def _first(asked: Study) -> RunSpec:
    return cells(asked.search(), lambda _: None, VARIANT)[0].spec


def _study(options: argparse.Namespace, studies: Studies) -> Study:
    """The study that the options name or describe, with the budget that they give. Raises: Refusal."""
    if options.continue_study:
        found = study(options.continue_study, store.runs())
        if options.runs or options.minutes:
            return studies.change(found, runs=options.runs, minutes=options.minutes)
        return found
    varied = {}
    for one in options.vary or ():
        field, _, written = one.partition("=")
        field = field.replace("-", "_")
        values = [written] if ".." in written else [part.strip() for part in written.split(",")]
        if field in RunSpec.model_fields:
            values = [read_field(field, value, FALLBACK) for value in values]
        varied[field] = read_varied(field, values)
    base = checked(given(options, RunSpec.model_fields))
    limits = {"minutes": options.minutes, "prune": options.prune}
    runs = RUNS if options.runs is None else options.runs
    asked = named(base, options.way, varied, runs, options.study or "", **limits)
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


def _tell_tried(options: argparse.Namespace, asked: Study, found: Sequence[Training], told: set[RunSpec]) -> None:
    """Tell each training that has come to an end since the last time."""
    progress = progress_of(asked, found, spent(asked, store.runs()))
    done = progress.done + progress.pruned + progress.failed
    for one in found:
        if one.is_tried and one.spec not in told:
            told.add(one.spec)
            facts = _facts(asked, one) | {"done": done, "of": progress.of}
            came = {"pruned": t("cli.pruned", epoch=one.epochs), "failed": t("cli.status.failed")}.get(one.state, "")
            figure = " ".join(filter(None, [decimals(one.accuracy), came]))
            say(options, facts, f"{done}/{progress.of}  {option_words(asked, one.spec, language())}: {figure}")


def _facts(asked: Study, one: Training) -> dict[str, Any]:
    facts = {"study": asked.name, "run": one.run.name if one.run else None, "options": options_of(asked, one.spec)}
    facts |= {"stage": max(one.stages), "state": one.state, "val_accuracy": one.accuracy}
    return facts | {"epochs": one.epochs, "seconds": one.seconds}


def _tell_best(options: argparse.Namespace, asked: Study, found: Sequence[Training]) -> None:
    """The winner with its test accuracy, the simplest as good, the options that noise hides, and what chance adds."""
    chosen, here = best(found), [one for one in found if one.state == "done"]
    assert chosen
    assert chosen.run
    # The best first, since of several that tie `decision` takes the first.
    here.sort(key=lambda one: one is not chosen)
    accuracies, n = [one.accuracy or 0.0 for one in here], chosen.run.started().counts["val"]
    sizes = [parameters(one.spec) for one in here]
    decided = decision(accuracies, sizes, n)
    rule, near = decided.simplest, [here[place] for place in decided.near]
    report = chosen.run.report()
    assert report

    def words(one: Training) -> str:
        return option_words(asked, one.spec, language())

    facts: dict[str, Any] = {"study": asked.name, "winner": _facts(asked, chosen)}
    facts |= {"accuracy": report.accuracy, "accuracy_interval": report.accuracy_interval, "n": report.n, "n_val": n}
    facts["simplest"] = _facts(asked, here[rule.place]) | {"parameters": sizes[rule.place]}
    facts |= {"standard_error": rule.standard_error, "noise_band": [one.run.name for one in near if one.run]}
    key, decides = decision_sentence(decided)
    facts["decided_by"] = {"images": decided.by or 0, "of": n, "words": text(FALLBACK, key, **decides)}
    facts["pruned"] = sum(one.state == "pruned" for one in found)
    low, high = map(decimals, report.accuracy_interval)
    lines = [t("cli.chosen", option=words(chosen), accuracy=decimals(report.accuracy), low=low, high=high, n=report.n)]
    slots = {"option": words(here[rule.place]), "accuracy": decimals(accuracies[rule.place]), "n": n}
    slots |= {"best": decimals(chosen.accuracy), "error": decimals(rule.standard_error)}
    slots |= {"parameters": sizes[rule.place], "source": t("search.measured_short")}
    lines.append(t("cli.simplest", **slots))
    lines.append(t(key, **decides))
    lines += [f"  {words(one)}: {decimals(one.accuracy)}" for one in near]
    facts["tests_read"] = read_tests(asked, found, store.runs())
    if facts["tests_read"] > 1:
        lines.append(t("study.tests_read", count=facts["tests_read"]))
    facts["lift"], line = lifted([one.run for one in here if one.run])
    say(options, facts, "\n".join([*lines, *line]))


def lifted(runs: Sequence[Run]) -> tuple[dict[str, Any] | None, list[str]]:
    """What chance adds to the best of these trained runs: facts and a line; None and no line if they are not many."""
    if len(runs) <= MANY:
        return None, []
    found = lift_with_epochs([trained_epochs(run) for run in runs], runs[0].started().counts["val"])
    key, slots = lift_sentence(found, len(runs), language())
    fallback, told = lift_sentence(found, len(runs), FALLBACK)
    value = "at_most" if found.kind == "most_lift" else "about"
    facts = {value: found.value, "expected": found.expected, "words": text(FALLBACK, fallback, **told)}
    return facts, [t(key, **slots)]
