"""Commands that train: a new run, one taken up again, and how long a training would take."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core import store
from core.commands.terminal import BROKEN_OFF, USES, find, frozen_lines, mute, say, sentence
from core.events import Epoch, Event, Failure, Report, Started, to_line
from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.store import Run
from core.training.transfer import fits
from core.words import duration


def train(options: argparse.Namespace) -> int:
    """Make a run of the fields given and work at it."""
    return work_at(new_run(_spec(options)), options)


def _spec(options: argparse.Namespace) -> RunSpec:
    """The spec of the fields given. Raises: Refusal."""
    return checked(given(options, RunSpec.model_fields))


def given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Those of the spec's fields that were given, a run by its whole name. Raises: Refusal."""
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    return given | ({"weights_from": find(given["weights_from"]).name} if given.get("weights_from") else {})


def new_run(spec: RunSpec) -> Run:
    """A run of the spec, which its data and its layers allow. Raises: Refusal."""
    check_ready(spec)
    return store.create(spec)


def check_ready(spec: RunSpec) -> None:
    """Raises: Refusal, if the spec's layers do not fit its data, or these are not on this machine."""
    if fits(spec).source.state()[0] != "ready":
        raise Refusal("error.data_not_ready", data=spec.data, python=sys.executable)


def estimate(options: argparse.Namespace) -> int:
    """How long a training would take here: a few steps on made-up images, measured; nothing is trained or stored."""
    spec = _spec(options)
    source = fits(spec).source
    from core.training.estimate import estimate as measured

    try:
        found = measured(spec, source)
    except Refusal:
        raise
    except (RuntimeError, ValueError, MemoryError) as error:  # torch's own: too little memory, say
        raise Refusal("error.unexpected", reason=str(error).partition("\n")[0]) from error
    where = f"{found.steps} steps on {found.device}, {found.threads} thread{'s' if found.threads > 1 else ''}"
    epoch, whole = (duration(seconds, language="en") for seconds in (found.epoch_seconds, found.seconds))
    words = f"about {epoch} an epoch, {whole} in all (measured over {where}; other programs make it longer)"
    say(options, asdict(found), words)
    return 0


def work(options: argparse.Namespace) -> int:
    """Take a run up: new, broken off, stopped or failed."""
    folder = Path(options.folder)
    run = Run(folder.resolve()) if (folder / "spec.json").exists() else find(options.folder)
    _ = run.spec  # a damaged run, or one of a newer format, is not written to
    if run.report():
        raise Refusal("error.run_over", run=run.name)
    if run.is_held():
        raise Refusal("error.run_held", run=run.name)
    run.ask("run")
    return work_at(run, options)


def work_at(run: Run, options: argparse.Namespace) -> int:
    """Work at the run in this process and print its events. Ctrl-C, once, or no reader any more: save and leave."""
    asked: list[int] = []
    failures: list[Failure] = []

    def leave(number: int, _: object) -> None:
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once

    def tell(event: Event) -> None:
        if isinstance(event, Failure):
            failures.append(event)
        try:
            _tell_event(options, run, event)
        except BrokenPipeError:
            mute()
            asked.append(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    from core.work import work  # seconds, in which a Ctrl-C is heard already

    status = work(str(run.folder), leaving=lambda: bool(asked), tell=tell)
    if status == "done":
        return 0
    if failures:  # told, even where the disk is too full to hold it
        raise Refusal(failures[-1].error, **failures[-1].slots)
    print(sentence("error.run_left", {"run": run.name, "status": status, "python": sys.executable}), file=sys.stderr)
    return BROKEN_OFF if asked else 1


def _tell_event(options: argparse.Namespace, run: Run, event: Event) -> None:
    if options.json:
        print(to_line(event), flush=True)
    elif isinstance(event, Started):
        images = ", ".join(f"{count} {split}" for split, count in event.counts.items())
        where = f"{event.device}, {event.threads} thread{'s' if event.threads > 1 else ''}, {event.precision}"
        frozen = f", {event.frozen} of them frozen" if event.frozen else ""
        print(f"{run.name}: {images} images; {event.parameters} parameters{frozen}; {where}", flush=True)
    elif isinstance(event, Epoch):
        print(
            f"epoch {event.epoch}: train loss {event.train_loss:.4f}, val loss {event.val_loss:.4f}, "
            f"val accuracy {event.val_accuracy:.4f}, {event.seconds:.1f} s so far",
            flush=True,
        )
    elif isinstance(event, Report):
        low, high = event.accuracy_interval
        line = f"test accuracy {event.accuracy:.4f} ({low:.4f} to {high:.4f}, n {event.n}){USES[event.test_use]}"
        print("\n".join([line, *frozen_lines(event)]))
