"""Commands that train: a new run, one taken up again, and how long a training would take."""

from __future__ import annotations

import argparse
import math
import shlex
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core import settings, store
from core.commands.terminal import BROKEN_OFF, decimals, find, language, mute, number, remarks, say, t, use_of_test
from core.events import Epoch, Event, Failure, Report, Started
from core.measures.repeats import SEEDS, Repeats
from core.refusal import Refusal
from core.search import settled
from core.search.rules import is_used_up
from core.spec import MOST_SEEDS, RunSpec, checked, next_seeds, read_field
from core.store import Run
from core.training.ready import ready
from core.training.transfer import fits


def train(options: argparse.Namespace) -> int:
    """Make a run of the fields given and work at it, or say how the kernels would compute its steps.

    With several seeds: a run for each, one after another, and last what they came to.
    """
    spec = _spec(options)
    if options.explain:
        return explain(spec, options)
    specs = each_seed(spec, options)
    if len(specs) == 1:
        return work_at(new_run(spec, snapshots=not options.no_snapshots), options)
    runs = settled(specs, store.runs())
    if runs:
        left = t("train.not_again", count=len(runs), seeds=", ".join(str(one.seed) for one in runs))
        print(left, file=sys.stderr)
    missing = [one for one in specs if one not in runs]
    _check(missing)
    for one in missing:
        runs[one] = store.create(one, snapshots=not options.no_snapshots)
        if code := work_at(runs[one], options):
            return code
    _tell_seeds(options, [runs[one] for one in specs])
    return 0


def each_seed(spec: RunSpec, options: argparse.Namespace) -> list[RunSpec]:
    """The spec with each of as many seeds as `--seeds` asks for. Raises: Refusal."""
    if not 1 <= options.seeds <= MOST_SEEDS:
        allowed = t("allowed.whole", low=1, high=MOST_SEEDS)
        raise Refusal("error.field_value", field="--seeds", value=options.seeds, allowed=allowed)
    return next_seeds(spec, options.seeds)


def _tell_seeds(options: argparse.Namespace, runs: Sequence[Run]) -> None:
    """Mean, standard deviation and interval of the test accuracies of a spec's runs, and each of them."""
    reports = [(run, report) for run in runs if (report := run.report())]
    facts: dict[str, Any] = {"n": len(reports), "mean": None, "spread": None, "interval": None}
    facts["runs"] = [{"run": run.name, "seed": run.spec.seed, "accuracy": found.accuracy} for run, found in reports]
    words = t("cli.seeds_none")
    if reports:
        found = Repeats(tuple(report.accuracy for _, report in reports), reports[0][1].n)
        low, high = found.interval
        facts |= {"mean": found.mean, "spread": found.spread, "interval": [low, high]}
        slots = {"mean": decimals(found.mean), "spread": decimals(found.spread), "count": len(reports), "most": SEEDS}
        key = "cli.seeds_few" if found.spread is None else "cli.seeds"
        lines = [f"{run.name}: {decimals(report.accuracy)}{use_of_test(report)}" for run, report in reports]
        words = "\n".join([*lines, t(key, low=decimals(low), high=decimals(high), **slots)])
    say(options, facts, words)


def explain(spec: RunSpec, options: argparse.Namespace) -> int:
    """Print the program by which the kernels compute a training step of the spec; nothing is trained or stored.

    Raises: Refusal, if the kernels do not cover the network.
    """
    rows = fits(spec).rows
    import torch

    from core.training.engine import computed_by, parts_for_kernels
    from core.training.kernels import compiled
    from core.training.kernels.program import covers, written

    if not covers(rows, spec.frozen):
        raise Refusal("error.not_covered")
    by, because = computed_by(spec, rows, torch.device(settings.device()))
    images = math.ceil(spec.batch_size / parts_for_kernels(spec.batch_size, settings.threads()))
    lanes = {"lanes": compiled.lanes()} if compiled.is_usable() else {}
    program = written(rows, trains=True, frozen=spec.frozen, images=images, **lanes)
    words = t(f"option.{by}")
    words = t(f"train.slower.{because}", where=words) if because else words
    facts = {"computed_by": by, "slower_because": because, "program": str(program).splitlines()}
    say(options, facts, f"{t('cli.explained', computed_by=words)}\n{program}")
    return 0


def _spec(options: argparse.Namespace) -> RunSpec:
    """The spec of the fields given. Raises: Refusal."""
    return checked(given(options, RunSpec.model_fields))


def given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Those of the spec's fields that were given, a run by its whole name. Raises: Refusal."""
    written = {name: value for name in names if (value := getattr(options, name)) is not None}
    given: dict[str, Any] = {name: read_field(name, value, language()) for name, value in written.items()}
    return given | ({"weights_from": find(given["weights_from"]).name} if given.get("weights_from") else {})


def new_run(spec: RunSpec, *, snapshots: bool = True) -> Run:
    """A run of the spec, which can be trained here; says first what its splits lack. Raises: Refusal."""
    _check([spec])
    return store.create(spec, snapshots=snapshots)


def _check(specs: Sequence[RunSpec]) -> None:
    """See that each spec can be trained here, and say what their splits lack, each sentence once. Raises: Refusal."""
    said = [t(key, **slots) for spec in specs for key, slots in ready(spec, language())]
    for line in dict.fromkeys(said):
        print(line, file=sys.stderr)  # standard output is for the events


def estimate(options: argparse.Namespace) -> int:
    """How long a training would take here: a few steps on made-up images, measured; nothing is trained or stored."""
    spec = _spec(options)
    source = fits(spec).source
    if source.state()[0] == "ready":
        ready(spec, language())
    from core.training.estimate import estimate as measured

    try:
        found = measured(spec, source)
    except Refusal:
        raise
    except (RuntimeError, ValueError, MemoryError) as error:  # torch's own: too little memory, say
        raise Refusal("error.unexpected", reason=str(error).partition("\n")[0]) from error
    threads = t("cli.threads", count=found.threads)
    say(options, asdict(found), t("cli.estimate", **asdict(found) | {"threads": threads}))
    return 0


def rates(options: argparse.Namespace) -> int:
    """Try growing learning rates for a hundred steps, and suggest one; nothing is stored."""
    spec = _spec(options)
    for key, slots in ready(spec, language()):
        print(t(key, **slots), file=sys.stderr)
    from core.images.splits import choose
    from core.training.rates import suggestion, sweep
    from core.workers.sweep import STEPS

    source = fits(spec).source
    tried = []
    for one in sweep(spec, source, choose(spec, source.load())):
        tried.append(one)
        if options.json or one.step % 10 == 0:
            slots = {"step": one.step, "steps": STEPS, "rate": number(one.rate), "loss": decimals(one.smoothed)}
            say(options, asdict(one), t("cli.tried", **slots))
    found = suggestion(tried)
    slots = {name: number(float(f"{getattr(found, name):.2g}")) for name in ("rate", "steepest", "lowest") if found}
    words = t(f"rates.{found.because}" if found else "rates.none", **slots)
    say(options, {"suggestion": asdict(found) if found else None}, words)
    return 0


def work(options: argparse.Namespace) -> int:
    """Take a run up: new, broken off, stopped or failed."""
    run = _to_take_up(options)
    run.ask("run", test=True if run.is_trained() else None)  # nothing else is left to do of such a run
    return work_at(run, options)


def finish(options: argparse.Namespace) -> int:
    """End a run's training with the epochs that it has, and read its test split."""
    run = _to_take_up(options)
    run.finish()
    return work_at(run, options)


def _to_take_up(options: argparse.Namespace) -> Run:
    """The run asked for, which is not done and which no worker holds. Raises: Refusal."""
    folder = Path(options.folder)
    run = Run(folder.resolve()) if (folder / "spec.json").exists() else find(options.folder)
    _ = run.spec  # a damaged run, or one of a newer format, is not written to
    if run.report():
        raise Refusal("error.run_over", run=run.name)
    if run.is_held():
        raise Refusal("error.run_held", run=run.name)
    return run


def work_at(run: Run, options: argparse.Namespace) -> int:
    """Work at the run in this process and print its events. Ctrl-C, once, or no reader any more: save and leave.

    Returns the exit code: `BROKEN_OFF` also if the run was done before it could be left, so that no other one begins.
    """
    asked: list[int] = []
    failures: list[Failure] = []

    def leave(one: int, _: object) -> None:
        asked.append(one)
        signal.signal(one, signal.SIG_DFL)  # a second one ends the process at once

    def tell(event: Event) -> None:
        if isinstance(event, Failure):
            failures.append(event)
        try:
            _tell_event(options, run, event)
        except BrokenPipeError:
            mute()
            asked.append(signal.SIGTERM)

    before = {one: signal.signal(one, leave) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        from core.work import work  # seconds, in which a Ctrl-C is heard already

        status = work(str(run.folder), leaving=lambda: bool(asked), tell=tell)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if status in ("done", "trained", "pruned"):
        return BROKEN_OFF if asked else 0
    if failures:  # told, even where the disk is too full to hold it
        raise Refusal(failures[-1].error, **failures[-1].slots)
    if status == "stopped" and is_used_up(run):
        study = run.label().study
        print(t("error.study_spent", study=study, quoted=shlex.quote(study), python=sys.executable), file=sys.stderr)
        return 1
    left = {"run": run.name, "status": t(f"cli.status.{status}"), "python": sys.executable}
    print(t("error.run_left", **left), file=sys.stderr)
    return BROKEN_OFF if asked else 1


def _tell_event(options: argparse.Namespace, run: Run, event: Event) -> None:
    if options.json:
        print(event.model_dump_json(), flush=True)
    elif words := _words(run, event):
        print(words, flush=True)


def _words(run: Run, event: Event) -> str:
    """An event in words; nothing for those that are told in JSON only."""
    if isinstance(event, Started):
        slots = {**event.counts, "run": run.name, "parameters": event.parameters, "frozen": event.frozen}
        slots |= {"device": event.device, "threads": t("cli.threads", count=event.threads)}
        slots |= {"precision": event.precision, "computed_by": t(f"option.{event.computed_by}")}
        if event.slower_because:
            slots["computed_by"] = t(f"train.slower.{event.slower_because}", where=slots["computed_by"])
        return t("cli.started_frozen" if event.frozen else "cli.started", **slots)
    if isinstance(event, Epoch):
        figures = {name: decimals(getattr(event, name)) for name in ("train_loss", "val_loss", "val_accuracy")}
        line = t("cli.epoch", epoch=event.epoch, seconds=number(event.seconds, 1), **figures)
        if event.processor_seconds is None:
            return line
        return f"{line} {t('cli.processor', seconds=number(event.processor_seconds, 1))}"
    if isinstance(event, Report):
        low, high = map(decimals, event.accuracy_interval)
        line = t("cli.report", accuracy=decimals(event.accuracy), low=low, high=high, n=event.n)
        return "\n".join([line + use_of_test(event), *remarks(event, run.spec)])
    return ""
