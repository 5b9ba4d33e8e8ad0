"""Commands of the recipes: listed, repeated with a verdict, and the table of results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core import store
from core.commands.searches import lifted
from core.commands.terminal import decimals, language, say, t
from core.commands.training import each_seed, given, new_run, work_at
from core.events import Report
from core.measures.measures import wilson
from core.measures.repeats import SEEDS
from core.measures.selection import simplest
from core.measures.verdict import Verdict
from core.recipes import PUBLISHED, RECIPES, VARIANTS
from core.recipes.results import RESULTS, Row, keep, of_run, ready_spec, rows, stored
from core.recipes.searches import SEARCHES, VAL_IMAGES, Choices, choices_text, option_text, path
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
    parameters,
    trained_epochs,
    winner,
)
from core.spec import RunSpec
from core.store import Run
from core.training.ready import ready
from core.words import FALLBACK, text

FAILED = 1  # the exit code of a search that cannot go on because trainings have failed
Tell = Callable[[Sequence[Cell], Mapping[RunSpec, Run]], None]


def recipes(options: argparse.Namespace) -> int:
    """The recipes, a line for each; run one; or the table of all stored results beside the reported figures."""
    if options.action == "run":
        return _repeat(options)
    if options.action == "table":
        return _table(options)
    for name, one in RECIPES.items():
        facts = {"name": name, "title": text(FALLBACK, f"recipe.{name}.title"), "spec": one.values}
        facts |= {
            "variants": one.variants,
            "reported": one.figures,
            "origins": {figure: stated.origin for figure, stated in one.stated.items()},
            "computed": one.computed if one.report else {},
            "sources": [source.model_dump(exclude_defaults=True) for source in one.sources],
            "n": one.n,
            "assumed": {name: text(FALLBACK, key) for name, key in one.assumed.items()},
            "notes": [text(FALLBACK, key) for key in one.notes],
        }
        facts["errata"] = [{"figure": figure, "text": text(FALLBACK, key)} for figure, key in one.errata]
        say(options, facts, _line(name, one.values["data"], decimals(one.figures.get("accuracy"))))
    for name, search in SEARCHES.items():
        facts = {"name": name, "title": text(FALLBACK, f"recipe.{name}.title"), "variants": VARIANTS}
        facts["reported"] = [{"stage": one.choice, "val_accuracy": list(one.reported.items())} for one in search.stages]
        say(options, facts, _line(name, "bloodmnist"))
    return 0


def _line(name: str, data: str, reported: str = "") -> str:
    return f"{name:20} {data:20} {t(f'recipe.{name}.title'):38} {reported}".rstrip()


def _repeat(options: argparse.Namespace) -> int:
    """Run a recipe's variant, a run a seed, and say what it came to beside the report."""
    name, variant = options.name or "", options.variant
    if options.store_results and name not in PUBLISHED:
        raise Refusal("error.results_not_kept")
    if name in SEARCHES:
        return _search(options)
    spec = ready_spec(name, variant, store.runs(), **given(options, ("data", "seed", "weights_from")))
    results = []
    for one in each_seed(spec, options):
        run = new_run(one)
        if code := work_at(run, options):
            return code
        if name in PUBLISHED and (result := of_run(run, (name, variant))):
            results.append(result)
            if options.store_results:
                keep([result], options.store_results)
    if results:
        say(options, *_said(Row(name, variant, spec.data, tuple(results))))
    return 0


def _search(options: argparse.Namespace) -> int:
    """Run what is missing of a search, one training after the other; tell each stage that is done beside the report."""
    search, told = SEARCHES[options.name], 0
    others = given(options, ("data", "seed"))

    def tell(found: Sequence[Cell], runs: Mapping[RunSpec, Run]) -> None:
        nonlocal told
        while best := winner(here := [cell for cell in found if cell.stage == told]):
            _tell_stage(options, search.stages[told].choice, here, best, runs)
            if len(search.stages) == 1:
                _tell_simplest(options, here, runs[best.spec].started().counts["val"])
            told += 1

    code, found, runs = _carry_out(options, Driver(SEARCHES), search, tell, options.name, options.variant, **others)
    best = chosen(search, found)
    if best and (report := runs[best.spec].report()):
        tried = [runs[spec] for spec in dict.fromkeys(cell.spec for cell in found if cell.measured is not None)]
        _tell_chosen(options, path(options.name, found), runs[best.spec], report, tried)
    elif code == FAILED:
        _tell_failures(options, [cell for cell in found if cell.stage == told], runs)
    return code


def _carry_out(
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


def _tell_stage(
    options: argparse.Namespace, choice: str, stage: Sequence[Cell], best: Cell, runs: Mapping[RunSpec, Run]
) -> None:
    for cell in stage:
        kept = trained_epochs(runs[cell.spec])
        facts = {"recipe": options.name, "variant": options.variant, "stage": choice, "option": cell.option}
        facts |= {"reported": cell.reported, "measured": cell.measured, "winner": cell == best}
        facts |= {"run": runs[cell.spec].name, "kept_epoch": kept[-1].best_epoch}
        figures = {"reported": decimals(cell.reported) or "–", "measured": decimals(cell.measured)}
        words = t("cli.option", choice=t(f"search.{choice}"), option=option_text(cell.option, language()), **figures)
        say(options, facts, words + (f" <- {t('cli.best')}" if cell == best else ""))


def _tell_failures(options: argparse.Namespace, stage: Sequence[Cell], runs: Mapping[RunSpec, Run]) -> None:
    """How many trainings of a stage have failed, and why each has."""
    found = failures(stage, runs)
    facts: dict[str, Any] = {"recipe": options.name, "variant": options.variant, "of": len(stage)}
    facts["failed"] = [
        {"option": cell.option, "run": runs[cell.spec].name, "error": one.error, "slots": one.slots}
        for cell, one in found.items()
    ]
    lines = [f"{option_text(cell.option, language())}: {t(one.error, **one.slots)}" for cell, one in found.items()]
    say(options, facts, "\n".join([t("search.failed", count=len(found), all=len(stage)), *lines]))


def _tell_simplest(options: argparse.Namespace, stage: Sequence[Cell], n_val: int) -> None:
    """The pick of the one-standard-error rule among options of different sizes, by the reported and by our figures."""
    sizes = [parameters(cell.spec) for cell in stage]
    for whose, n in (("reported", VAL_IMAGES), ("measured", n_val)):
        figures = [figure for cell in stage if (figure := getattr(cell, whose)) is not None]
        if len(figures) < len(stage) or len(set(sizes)) == 1:
            continue
        rule = simplest(figures, sizes, n)
        facts = {"recipe": options.name, "variant": options.variant, "by": whose, "n": n}
        facts |= {"simplest": stage[rule.place].option, "parameters": sizes[rule.place]}
        facts |= {"val_accuracy": figures[rule.place], "best": max(figures), "standard_error": rule.standard_error}
        slots = {"source": t(f"search.{whose}_short"), "option": option_text(stage[rule.place].option, language())}
        slots |= {"accuracy": decimals(figures[rule.place]), "best": decimals(max(figures))}
        slots |= {"error": decimals(rule.standard_error), "parameters": sizes[rule.place], "n": n}
        say(options, facts, t("cli.simplest", **slots))


def _tell_chosen(options: argparse.Namespace, choices: Choices, run: Run, report: Report, tried: list[Run]) -> None:
    """The test accuracy of the training that the search ends with, the only one whose test split it reads.

    And what chance adds to the best of those `tried`.
    """
    facts = {"recipe": options.name, "variant": options.variant, "run": run.name, "chosen": dict(choices)}
    facts |= {"accuracy": report.accuracy, "accuracy_interval": report.accuracy_interval, "n": report.n}
    low, high = map(decimals, report.accuracy_interval)
    slots = {"option": choices_text(choices, language()), "accuracy": decimals(report.accuracy)}
    facts["lift"], line = lifted(tried)
    say(options, facts, "\n".join([t("cli.chosen", **slots, low=low, high=high, n=report.n), *line]))


def _table(options: argparse.Namespace) -> int:
    columns = ("recipe", "variant", "data", "reported", "measured", "seeds", "delta", "tolerance", "verdict")
    if not options.json:
        headings = " | ".join(t(f"cli.table.{name}") for name in columns)
        print(f"| {headings} |\n|---|---|---|---:|---:|---:|---:|---:|---|")
    for row in rows(stored(options.store_results or RESULTS)):
        if not row.results and row.variant != "faithful":
            continue
        facts, _ = _said(row)
        measured = _measured(row.verdict)
        cells = {
            "recipe": f"{row.recipe}: {t(f'recipe.{row.recipe}.title')}",
            "variant": t(f"variant.{row.variant}"),
            "reported": _reported(row.recipe),
            "measured": t("test_use.mark", accuracy=measured)
            if measured and facts["test_use"] == "selected"
            else measured,
            "delta": _delta(row.verdict),
            "tolerance": decimals(row.verdict.tolerance),
            "verdict": _verdict_words(row.verdict),
        }
        say(options, facts, "| " + " | ".join(str(cells.get(name, facts.get(name))) for name in columns) + " |")
    return 0


def _said(row: Row) -> tuple[dict[str, Any], str]:
    """The reported accuracy of a row's recipe, the measured one, and the verdict: as data and in words."""
    one, verdict = RECIPES[row.recipe], row.verdict
    reported = one.figures.get("accuracy")
    facts = {"recipe": row.recipe, "variant": row.variant, "data": row.data, "reported": reported}
    facts |= {
        name: getattr(verdict, name) for name in ("measured", "interval", "spread", "seeds", "delta", "tolerance")
    }
    facts |= {"verdict": verdict.word, "open": verdict.is_open}
    facts["test_use"] = one.spec(row.variant).test_use
    facts["figures"] = {
        name: {"reported": stated.value, "origin": stated.origin, "measured": row.measured(name)}
        for name, stated in one.stated.items()
    }
    words = [_figure(name, **figure) for name, figure in facts["figures"].items()]
    for name, count in one.computed.items():
        words.append(_figure(name, count, "computed", row.measured(name)))
    slots = {"recipe": row.recipe, "variant": row.variant, "seeds": verdict.seeds}
    slots["reported"] = _reported(row.recipe) or t("cli.none")
    slots |= {"measured": _measured(verdict), "delta": _delta(verdict) or t("cli.none")}
    slots["verdict"] = _verdict_words(verdict)
    if verdict.tolerance is not None:
        slots["verdict"] = t("cli.tolerance", verdict=slots["verdict"], tolerance=decimals(verdict.tolerance))
    words.append(t("cli.not_measured" if verdict.measured is None else "cli.verdict", **slots))
    return facts, "\n".join(words)


def _figure(name: str, reported: float, origin: str, measured: float | None) -> str:
    found = t("cli.none") if measured is None else measured
    key = {"report": "cli.figure", "notebook": "cli.figure_notebook", "computed": "cli.figure_computed"}[origin]
    return t(key, figure=t(f"figure.{name}"), reported=reported, measured=found)


def _measured(verdict: Verdict) -> str:
    """The mean of the measured accuracies, their spread and the mean's interval; empty if there is none."""
    if verdict.measured is None or verdict.interval is None:
        return ""
    spread = "" if verdict.spread is None else f" ± {decimals(verdict.spread)}"
    return _with_interval(decimals(verdict.measured) + spread, verdict.interval)


def _reported(name: str) -> str:
    """The reported accuracy with its interval; empty if there is none."""
    one = RECIPES[name]
    accuracy = one.figures.get("accuracy")
    if accuracy is None or one.n is None:
        return ""
    return _with_interval(decimals(accuracy), wilson(accuracy * one.n, one.n))


def _with_interval(accuracy: str, ends: tuple[float, float]) -> str:
    low, high = map(decimals, ends)
    return t("cli.with_interval", accuracy=accuracy, low=low, high=high)


def _delta(verdict: Verdict) -> str:
    """The difference with its sign, plus for none."""
    written = decimals(verdict.delta)
    return f"+{written}" if written and not written.startswith("-") else written


def _verdict_words(verdict: Verdict) -> str:
    word = t(f"verdict.{verdict.word}")
    return t("verdict.open", word=word, most=SEEDS) if verdict.is_open else word
