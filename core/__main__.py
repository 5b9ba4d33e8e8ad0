"""`python -m core`: the same work without a browser, for scripts, servers and tests.

With `--json` every line printed is one JSON object. Exit code 0 only when it did what was asked; otherwise one sentence
on standard error says why.
"""

from __future__ import annotations

import argparse
import json
import locale
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from core import settings, store
from core.datasets import DATASETS, Dataset, dataset, datasets
from core.events import Epoch, Event, Failure, Report, Started, to_line
from core.measures.verdict import SEEDS, Verdict
from core.recipes import PUBLISHED, RECIPES, VARIANTS
from core.recipes.results import RESULTS, Row, keep, of_run, ready_spec, rows, stored
from core.recipes.searches import SEARCHES, belongs_to
from core.refusal import Refusal
from core.search import Cell, Driver, accuracies_of, cells, known_runs, winner
from core.spec import RunSpec, allowed, checked
from core.store import Run
from core.training.transfer import giving_run
from core.words import closest, duration, text

if TYPE_CHECKING:
    import numpy as np

    from core.models.model import Model

USES = {"once": "", "watched": "; validated on test", "selected": "; selected on test"}
BROKEN_OFF = 130  # what a shell reports of a command that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; returns the exit code."""
    settings.wait_passively()
    parser = _parser()
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        parser.print_help()
        return 2
    options = parser.parse_args(given)
    try:
        return options.command(options)
    except Refusal as refusal:
        print(sentence(refusal.key, refusal.slots), file=sys.stderr)
        return 1
    except BrokenPipeError:
        _mute()
        return 1
    except OSError as error:
        print(sentence("error.unexpected", {"reason": str(error)}), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return BROKEN_OFF


def _find(name: str) -> Run:
    """The run of that name, or the only one whose name ends so. Raises: Refusal."""
    endings = [run for run in store.runs() if run.name.endswith(f"-{name}")]
    return endings[0] if len(endings) == 1 else store.find(name)


def sentence(key: str, slots: dict[str, Any]) -> str:
    """A text in the language of the terminal; its variables say it even where the system lacks that language."""
    named = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    try:
        language = (named or locale.getlocale()[0] or "").partition(".")[0]
    except ValueError:
        language = None
    return text(closest(language) or "en", key, **slots)


def train(options: argparse.Namespace) -> int:
    """Make a run of the fields given and work at it."""
    return _work(_new_run(_spec(options)), options)


def _spec(options: argparse.Namespace) -> RunSpec:
    """The spec of the fields given. Raises: Refusal."""
    return checked(_given(options, RunSpec.model_fields))


def _given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """Those of the spec's fields that were given, a run by its whole name. Raises: Refusal."""
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    return given | ({"weights_from": _find(given["weights_from"]).name} if given.get("weights_from") else {})


def _data_of(spec: RunSpec) -> Dataset:
    """The spec's data, which its layers fit, before a run is made or torch is imported. Raises: Refusal."""
    source = dataset(spec.data)
    shape, classes = source.shape, len(source.class_names["en"])
    spec.table(shape, classes)
    giving_run(spec, shape, classes)
    return source


def _new_run(spec: RunSpec) -> Run:
    """A run of the spec, which its data and its layers allow. Raises: Refusal."""
    _check_ready(spec)
    return store.create(spec)


def _check_ready(spec: RunSpec) -> None:
    """Raises: Refusal, if the spec's layers do not fit its data, or these are not on this machine."""
    if _data_of(spec).state()[0] != "ready":
        raise Refusal("error.data_not_ready", data=spec.data, python=sys.executable)


def estimate(options: argparse.Namespace) -> int:
    """How long a training would take here: a few steps on made-up images, measured; nothing is trained or stored."""
    spec = _spec(options)
    source = _data_of(spec)
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
    _print(options, asdict(found), words)
    return 0


def recipes(options: argparse.Namespace) -> int:
    """The recipes, a line for each; run one; or the table of all stored results beside the reported figures."""
    if options.action == "run":
        return _repeat(options)
    if options.action == "table":
        return _table(options)
    for name, one in RECIPES.items():
        facts = {"name": name, "title": sentence(f"recipe.{name}.title", {}), "spec": one.values}
        facts |= {
            "variants": one.variants,
            "reported": dict(one.figures),
            "n": one.n if one.figures else None,
            "assumed": one.assumed,
        }
        facts["errata"] = [{"figure": figure, "text": sentence(key, {})} for figure, key in one.errata]
        reported = f"{one.figures['accuracy']:.4f}" if one.figures else ""
        _print(options, facts, f"{name:20} {one.values['data']:20} {facts['title']:38} {reported}".rstrip())
    for name, search in SEARCHES.items():
        facts = {"name": name, "title": sentence(f"recipe.{name}.title", {}), "variants": VARIANTS}
        facts["reported"] = [{"stage": one.choice, "val_accuracy": list(one.reported.items())} for one in search.stages]
        _print(options, facts, f"{name:20} {'bloodmnist':20} {facts['title']}")
    return 0


def _repeat(options: argparse.Namespace) -> int:
    """Run a recipe's variant, a run a seed, and say what it came to beside the report."""
    name, variant = options.name or "", options.variant
    if options.store_results and (name not in PUBLISHED or variant == "short"):
        raise Refusal("error.results_not_kept")
    if name in SEARCHES:
        return _search(options)
    spec = ready_spec(name, variant, store.runs(), **_given(options, ("data", "seed", "weights_from")))
    if options.seeds < 1:
        raise Refusal("error.field_value", field="--seeds", value=options.seeds, allowed="1 ...")
    results = []
    for seed in range(spec.seed, spec.seed + options.seeds):
        run = _new_run(spec.model_copy(update={"seed": seed}))
        if code := _work(run, options):
            return code
        if name in PUBLISHED and (result := of_run(run, (name, variant))):
            results.append(result)
            if options.store_results:
                keep([result], options.store_results)
    if results:
        _print(options, *_said(Row(name, variant, spec.data, tuple(results))))
    return 0


def _search(options: argparse.Namespace) -> int:
    """Run what is missing of a search, one training after the other; tell each stage that is done beside the report."""
    search, driver, told = SEARCHES[options.name], Driver(SEARCHES), 0
    others = _given(options, ("data", "seed"))
    while True:
        found = cells(search, accuracies_of(known_runs(store.runs())), options.variant, **others)
        _check_ready(found[0].spec)
        while best := winner(cell for cell in found if cell.stage == told):
            _tell_stage(options, search.stages[told].choice, [cell for cell in found if cell.stage == told], best)
            told += 1
        runs = driver.runs(options.name, options.variant, most=1, **others)
        if not runs:
            return 0
        runs[0].ask("run")
        if code := _work(runs[0], options):
            return code


def _tell_stage(options: argparse.Namespace, choice: str, stage: Sequence[Cell], best: Cell) -> None:
    for cell in stage:
        facts = {"recipe": options.name, "variant": options.variant, "stage": choice, "option": cell.option}
        facts |= {"reported": cell.reported, "measured": cell.measured, "winner": cell == best}
        words = f"{choice} {cell.option}: reported {cell.reported:.4f}, measured {cell.measured:.4f}"
        _print(options, facts, words + (" <- the best" if cell == best else ""))


def _table(options: argparse.Namespace) -> int:
    columns = ("recipe", "variant", "data", "reported", "measured", "seeds", "delta", "verdict")
    if not options.json:
        print("| " + " | ".join(columns) + " |\n|---|---|---|---:|---:|---:|---:|---|")
    for row in rows(stored(options.store_results or RESULTS)):
        if not row.results and row.variant != "faithful":
            continue
        facts, _ = _said(row)
        delta, measured = facts["delta"], _measured(row.verdict)
        cells = {
            "recipe": f"{row.recipe}: {sentence(f'recipe.{row.recipe}.title', {})}",
            "variant": sentence(f"variant.{row.variant}", {}),
            "reported": f"{facts['reported']:.4f}",
            "measured": sentence("test_use.mark", {"accuracy": measured})
            if measured and facts["test_use"] == "selected"
            else measured,
            "delta": "" if delta is None else f"{delta:+.4f}",
            "verdict": _verdict_words(row.verdict),
        }
        _print(options, facts, "| " + " | ".join(str(cells.get(name, facts.get(name))) for name in columns) + " |")
    return 0


def _said(row: Row) -> tuple[dict[str, Any], str]:
    """The reported accuracy of a row's recipe, the measured one, and the verdict: as data and in words."""
    verdict, reported = row.verdict, RECIPES[row.recipe].figures["accuracy"]
    facts = {"recipe": row.recipe, "variant": row.variant, "data": row.data, "reported": reported}
    facts |= {name: getattr(verdict, name) for name in ("measured", "spread", "seeds", "delta")}
    facts |= {"verdict": verdict.word, "open": verdict.is_open}
    facts["test_use"] = RECIPES[row.recipe].spec(row.variant).test_use
    facts["figures"] = {
        name: {"reported": value, "measured": row.measured(name)} for name, value in RECIPES[row.recipe].figures.items()
    }
    measured = "" if verdict.delta is None else f"measured {_measured(verdict)}, delta {verdict.delta:+.4f}, "
    words = [f"{sentence(f'figure.{name}', {})}: {_figures(**pair)}" for name, pair in facts["figures"].items()]
    words.append(f"{row.recipe}, {row.variant}: reported {reported:.4f}, {measured}seeds {verdict.seeds}: ")
    return facts, "\n".join(words) + _verdict_words(verdict)


def _measured(verdict: Verdict) -> str:
    spread = "" if verdict.spread is None else f" ± {verdict.spread:.4f}"
    return "" if verdict.measured is None else f"{verdict.measured:.4f}{spread}"


def _figures(reported: float, measured: float | None) -> str:
    return f"reported {reported:.10g}, measured " + ("none" if measured is None else f"{round(measured, 6):.10g}")


def _verdict_words(verdict: Verdict) -> str:
    word = sentence(f"verdict.{verdict.word}", {})
    return sentence("verdict.open", {"word": word, "most": SEEDS}) if verdict.is_open else word


def work(options: argparse.Namespace) -> int:
    """Take a run up: new, broken off, stopped or failed."""
    folder = Path(options.folder)
    run = Run(folder.resolve()) if (folder / "spec.json").exists() else _find(options.folder)
    _ = run.spec  # a damaged run, or one of a newer format, is not written to
    if run.report():
        raise Refusal("error.run_over", run=run.name)
    if run.is_held():
        raise Refusal("error.run_held", run=run.name)
    run.ask("run")
    return _work(run, options)


def list_runs(options: argparse.Namespace) -> int:
    """A line for each run in the store, newest first."""
    for run in store.runs():
        facts = run.facts()
        facts["recipe"], facts["variant"] = (facts["data"] and belongs_to(run.spec)) or (None, None)
        recipe = " ".join(filter(None, (facts["recipe"], facts["variant"])))
        accuracy = "" if facts["accuracy"] is None else f"{facts['accuracy']:.4f}"
        accuracy += "  selected on test" if facts["test_use"] == "selected" else ""
        _print(options, facts, f"{facts['run']:50}  {facts['status']:12}  {recipe:28}  {accuracy}".rstrip())
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """What the stored report says, class by class; the test split is not looked at again."""
    from core.measures.measures import measures

    run = _find(options.run)
    report = run.report()
    if not report:
        raise Refusal("error.no_report", run=run.name)
    result = measures(report.confusion_matrix)
    classes = [
        {
            "class": name,
            "precision": one.precision.value if one.precision.n else None,
            "recall": one.recall.value if one.recall.n else None,
            "f1": one.f1.value if one.f1.n else None,
            "support": one.support,
        }
        for name, one in zip(run.class_names("en"), result.classes, strict=True)
    ]
    facts = {
        "run": run.name,
        "n": report.n,
        "test_use": report.test_use,
        "accuracy": report.accuracy,
        "accuracy_interval": report.accuracy_interval,
        "balanced_accuracy": report.balanced_accuracy,
        "loss": report.loss,
        "frozen_before": report.frozen_before,
        "frozen_after": report.frozen_after,
        "errors": result.errors,
        "macro_f1": result.macro_f1.value,
        "weighted_f1": result.weighted_f1.value,
        "kappa": result.kappa.value if math.isfinite(result.kappa.value) else None,
        "intervals": {
            name: [measure.low, measure.high] if math.isfinite(measure.low) else None
            for name in ("balanced_accuracy", "macro_f1", "weighted_f1", "kappa")
            if (measure := getattr(result, name))
        },
        "classes": classes,
        "confusion_matrix": report.confusion_matrix,
    }
    lines = [f"{run.name}: accuracy {report.accuracy:.4f}, balanced {report.balanced_accuracy:.4f}, n {report.n}"]
    lines[0] += USES[report.test_use]
    lines += ["precision  recall  f1      support  class"]
    for one in result.classes:
        lines += [f"{one.precision.value:9.4f}  {one.recall.value:.4f}  {one.f1.value:.4f}  {one.support:7}  "]
    lines[2:] = [line + str(one["class"]) for line, one in zip(lines[2:], classes, strict=True)]
    lines += ["confusion matrix, a row for each true class:"]
    lines += [" ".join(f"{count:5}" for count in row) for row in report.confusion_matrix]
    lines += _frozen(report)
    _print(options, facts, "\n".join(lines))
    return 0


def tensorboard(options: argparse.Namespace) -> int:
    """Write a run's whole log as event files for TensorBoard, into a folder of the run's name."""
    from core.exports.tensorboard import write

    run = _find(options.run)
    folder = options.out / run.name
    write(run, folder)
    words = f"{folder}: look at it with: {sys.executable} -m tensorboard.main --logdir {options.out}"
    _print(options, {"run": run.name, "folder": str(folder)}, words)
    return 0


def predict(options: argparse.Namespace) -> int:
    """What a run's model answers to picture files."""
    from core.models.model import open_model

    model = open_model(_find(options.run))
    names = model.class_names["en"]
    failed = False
    for file in options.images:
        try:
            values = model.probabilities(_image(model, file)[None])[0]
        except Refusal as refusal:
            failed = True
            why = sentence(refusal.key, refusal.slots)
            _print(options, {"file": file, "error": why}, why)
            continue
        label = int(values.argmax())
        facts = {"file": file, "label": label, "class": names[label], "probabilities": [float(v) for v in values]}
        _print(options, facts, f"{file}: {names[label]} ({values[label]:.4f})")
    return int(failed)


def _image(model: Model, file: str) -> np.ndarray:
    """The image uint8 (C, H, W) that the model sees of a picture file. Raises: Refusal."""
    from core.drawing.picture import open_picture

    try:
        image = model.image(open_picture(Path(file)))
    except OSError as error:
        raise Refusal("error.file_unreadable", file=file, reason=error.strerror or str(error)) from error
    if image is None:
        raise Refusal("error.picture_empty", file=file)
    return image


def data(options: argparse.Namespace) -> int:
    """The data sets and whether they can be used now; or fetch one."""
    if options.action == "get":
        if not options.name:
            raise Refusal("error.data_unknown", name="", known=", ".join(datasets()))
        return _fetch(options)
    for name, one in datasets().items():
        state, why = one.state()
        reason = sentence(why, {"name": name}) if why else ""
        title = sentence(f"dataset.{name}", {}) if name in DATASETS else name
        licence = one.licence.format(not_stated=sentence("data.not_stated", {}))
        facts = {"name": name, "title": title, "state": state, "why": reason, "shape": one.shape}
        facts |= {"counts": dict(one.counts), "source": one.source, "licence": licence}
        _print(options, facts, f"{name:20} {state:10} {reason}")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    one = dataset(options.name)
    shown = [-1]

    def progress(done: int, total: int) -> None:
        percent = 100 * done // total if total else 0
        if percent > shown[0]:
            shown[0] = percent
            _print(options, {"name": one.name, "done": done, "total": total}, f"{one.name}: {percent} %")

    if one.state()[0] != "ready":
        one.fetch(progress)
    one.load()
    _print(options, {"name": one.name, "state": "ready"}, f"{one.name}: ready")
    return 0


def _work(run: Run, options: argparse.Namespace) -> int:
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
            _tell(options, run, event)
        except BrokenPipeError:
            _mute()
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


def _tell(options: argparse.Namespace, run: Run, event: Event) -> None:
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
        print("\n".join([line, *_frozen(event)]))


def _frozen(report: Report) -> list[str]:
    """A line on the frozen layers, if there are any: their weights before and after the training."""
    if report.frozen_unchanged is None:
        return []
    said = "unchanged" if report.frozen_unchanged else "CHANGED"
    return [f"frozen weights {said}: sha256 {report.frozen_before} before, {report.frozen_after} after"]


def _print(options: argparse.Namespace, facts: dict[str, Any], words: str) -> None:
    print(json.dumps(facts, allow_nan=False) if options.json else words, flush=True)


def _mute() -> None:
    """Let go of standard output, whose reader, `head` say, has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, as for all other errors; `--help` says the rest."""
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m core", description="Bancada without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=function.__doc__, description=function.__doc__)
        made.add_argument("--json", action="store_true", help="print one JSON object a line")
        made.set_defaults(command=function)
        return made

    made = command("data", data)
    made.add_argument("action", nargs="?", choices=["list", "get"], default="list")
    made.add_argument("name", nargs="?", help="the data set to fetch")
    for made in (command("train", train), command("estimate", estimate)):
        for name in RunSpec.model_fields:
            flags = sorted({f"--{name.replace('_', '-')}", f"--{name}"})
            made.add_argument(*flags, dest=name, metavar="VALUE", help=allowed(name).replace("%", "%%"))
    made = command("recipes", recipes)
    made.add_argument("action", nargs="?", choices=["list", "run", "table"], default="list")
    made.add_argument("name", nargs="?", help="the recipe to run")
    made.add_argument("--variant", default=VARIANTS[0], metavar="VALUE", help=" | ".join(VARIANTS))
    made.add_argument("--seed", metavar="VALUE", help=allowed("seed"))
    made.add_argument("--seeds", type=int, default=1, metavar="COUNT", help="run so many seeds, from --seed on")
    made.add_argument("--data", metavar="NAME", help="run it on other data, which makes it not comparable")
    made.add_argument("--weights-from", metavar="RUN", help="take the first layers of 002-e from this run")
    made.add_argument(
        "--store-results",
        nargs="?",
        type=Path,
        const=RESULTS,
        metavar="FILE",
        help="keep what was measured (not of the variant short) beside the recipes or in FILE; with `table`: read FILE",
    )
    command("work", work).add_argument("folder", help="a run's folder, its name, or its name's last part")
    command("runs", list_runs)
    command("evaluate", evaluate).add_argument("run", help="a run's name, or its last part")
    made = command("tensorboard", tensorboard)
    made.add_argument("run", help="a run's name, or its last part")
    made.add_argument("--out", type=Path, default=Path("tensorboard"), metavar="FOLDER", help="default: tensorboard")
    made = command("predict", predict)
    made.add_argument("run", help="a run's name, or its last part")
    made.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG, WEBP or BMP files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
