"""Commands of finished runs: listed, evaluated, exported, asked about pictures."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import store
from core.commands.terminal import decimals, find, language, number, remarks, say, shown, t, use_of_test
from core.events import Report
from core.exports import EXPORTS, export, file_name
from core.files import written_aside
from core.measures.answers import Answers, stored_answers
from core.measures.compare import Difference, compare, difference, sentence
from core.measures.repeats import answers_like, compare_seeds, seeds_of
from core.measures.summary import Listed, condition, in_order, status_of, summary
from core.recipes.searches import belongs_to, choices_of, choices_text
from core.refusal import Refusal, writing
from core.spec import RunSpec, any_seed, constant_text, differing, hyperparameters, share_splits, value_text
from core.store import Label, Run, no_report
from core.words import FALLBACK, read_number, text

if TYPE_CHECKING:
    import numpy as np

    from core.models.model import Model

FIGURES = ("accuracy", "interval", "n", "test_use", "val_accuracy", "n_val", "parameters", "epochs_done", "seconds")
FIGURES += ("device",)  # of a run's summary, as they are called in the list of runs


NOTED = ("name", "owner", "study", "trial", "note", "tags")  # of a label; the plan is the search's own


def list_runs(options: argparse.Namespace) -> int:
    """A line for each run in the store that fits the conditions, newest first or by a column."""
    conditions = [condition(one, _number) for one in options.where or ()]
    listed = [Listed(found := summary(run), status_of(run, found), run.label()) for run in store.runs()]
    listed = [one for one in listed if all(wanted.holds(one) for wanted in conditions)]
    if options.sort:
        listed = in_order(listed, options.sort, turned=options.reverse)
    elif options.reverse:
        listed.reverse()
    for one in listed:
        _say_listed(options, one)
    return 0


def _number(written: str) -> float:
    return float(read_number(written, language=language()))


def _say_listed(options: argparse.Namespace, one: Listed) -> None:
    found, spec = one.summary, one.summary.spec
    name, variant = (spec and belongs_to(spec)) or (None, None)
    choices = choices_of(spec) if spec and name else ()
    facts: dict[str, Any] = {"run": found.run, "status": one.status}
    facts |= {"data": spec and spec.data, "architecture": spec and spec.architecture, "seed": spec and spec.seed}
    facts |= {"recipe": name, "variant": variant, "choices": dict(choices)}
    facts |= {field: getattr(found, field) for field in FIGURES}
    facts |= {"by_hand": found.by_hand if found.accuracy is not None else None, "label": _noted(one.label)}
    recipe = " ".join(filter(None, (name, variant, choices_text(choices, language()))))
    accuracy = decimals(found.accuracy)
    accuracy += "  " + t("cli.test_use.selected") if found.test_use == "selected" else ""
    words = f"{found.run:50}  {t(f'cli.status.{one.status}'):16}  {recipe:28}  {accuracy}".rstrip()
    say(options, facts, f"{words}  {one.label.name}".rstrip())


def compare_runs(options: argparse.Namespace) -> int:
    """Which of two finished runs is better on the same test images; if there are more seeds of both, over these too."""
    pair = find(options.one), find(options.other)
    answers = _tested(pair[0]), _tested(pair[1])
    found, one = compare(*answers), difference(*answers)
    names = pair[0].label().name or pair[0].name, pair[1].label().name or pair[1].name
    facts: dict[str, Any] = {"runs": [run.name for run in pair], "n": one.n}
    facts |= {"accuracies": [float(given.is_right.mean()) for given in answers], **_difference(one, names)}
    facts |= {"fixed": len(found.fixed), "broken": len(found.broken), "p": found.p}
    rows = differing(pair[0].spec, pair[1].spec)
    facts |= {"differ": {name: [value, otherwise] for name, value, otherwise in rows}, "over_seeds": None}
    slots = {"fixed": len(found.fixed), "broken": len(found.broken), "p": decimals(found.p), "n": one.n}
    lines = [_in_words(one, names), t("cli.mcnemar", better=names[1], worse=names[0], **slots)]
    over, left_out = _over_seeds(*pair, answers[0])
    facts["left_out"] = [run.name for run in left_out]
    if over:
        facts["over_seeds"] = _difference(over, names)
        lines.append(t("cli.over_seeds", words=_in_words(over, names)))
    if left_out:
        lines.append(t("runs.left_out", names=", ".join(facts["left_out"])))
    for name, value, otherwise in rows:
        values = (shown(value_text(name, either, language())) for either in (value, otherwise))
        lines.append(f"  {t(f'spec.{name}.label')}: {' | '.join(values)}")
    say(options, facts, "\n".join(lines))
    return 0


def _tested(run: Run) -> Answers:
    found = stored_answers(run)
    assert found  # only those on val may be missing
    return found


def _over_seeds(one: Run, other: Run, like: Answers) -> tuple[Difference | None, list[Run]]:
    """The difference of the runs' specs over all seeds in the store, and the runs left out, see `answers_like`.

    None if one of them has a single seed. `like`: answers to the images on which both are compared.
    """
    if any_seed(one.spec) == any_seed(other.spec):
        return None, []
    seeds = [seeds_of(run.spec, store.runs()) for run in (one, other)]
    if min(map(len, seeds)) < 2:
        return None, []
    (a, left), (b, also_left) = (answers_like(like, runs, stored_answers) for runs in seeds)
    found = compare_seeds(a, b, share_splits=share_splits(one.spec, other.spec)) if min(len(a), len(b)) > 1 else None
    return found, [*left, *also_left]


def _difference(found: Difference, names: tuple[str, str]) -> dict[str, Any]:
    key, slots = sentence(found, *names, FALLBACK)
    facts = {"difference": found.value, "interval": [found.low, found.high], "is_real": found.is_real}
    return facts | {"seeds": found.seeds, "is_paired": found.is_paired, "words": text(FALLBACK, key, **slots)}


def _in_words(found: Difference, names: tuple[str, str]) -> str:
    key, slots = sentence(found, *names, language())
    return t(key, **slots)


def label(options: argparse.Namespace) -> int:
    """What is noted about a run, after noting what the options say."""
    run = find(options.run)
    changes = {name: value for name in NOTED if (value := getattr(options, name)) is not None}
    with contextlib.suppress(KeyError, ValueError):  # what is no number is refused below
        changes["trial"] = None if changes["trial"] == "none" else read_number(changes["trial"], language=language())
    found = run.relabel(**changes) if changes else run.label()
    noted = {**_noted(found), "tags": ", ".join(found.tags)}
    lines = [f"{t(f'cli.label.{name}')}: {value}" for name, value in noted.items() if value not in ("", None)]
    say(options, {"run": run.name, **_noted(found)}, "\n".join([run.name, *lines]))
    return 0


def _noted(label: Label) -> dict[str, Any]:
    return {name: getattr(label, name) for name in NOTED}


def evaluate(options: argparse.Namespace) -> int:
    """What the stored report says, class by class; the test split is not looked at again."""
    from core.measures.measures import measures

    run = find(options.run)
    report = run.report()
    if not report:
        raise no_report(run)
    result = measures(report.confusion_matrix)
    classes = [
        {
            "class": name,
            "precision": one.precision.value if one.precision.n else None,
            "recall": one.recall.value if one.recall.n else None,
            "f1": one.f1.value if one.f1.n else None,
            "support": one.support,
        }
        for name, one in zip(run.class_names(FALLBACK), result.classes, strict=True)
    ]
    given = hyperparameters(run.spec)
    facts = {
        "run": run.name,
        "hyperparameters": {one.name: one.value for one in given},
        "differ_from_defaults": [one.name for one in given if one.differs],
        "constants": run.spec.constants,
        "n": report.n,
        "test_use": report.test_use,
        "accuracy": report.accuracy,
        "accuracy_interval": report.accuracy_interval,
        "balanced_accuracy": report.balanced_accuracy,
        "loss": report.loss,
        "lost_epoch": report.lost_epoch,
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
    say(options, facts, _evaluation(run, report, classes))
    return 0


def _evaluation(run: Run, report: Report, classes: Sequence[dict[str, Any]]) -> str:
    """The measures of the whole test split, a table of the classes, the confusion matrix and the frozen layers."""
    measures = ("precision", "recall", "f1", "support")
    cells = [[t(f"cli.measure.{name}") for name in measures]]
    cells += [[*(decimals(one[name]) or "–" for name in measures[:3]), number(one["support"])] for one in classes]
    names = [t("cli.measure.class"), *run.class_names(language())]
    accuracies = {"accuracy": decimals(report.accuracy), "balanced_accuracy": decimals(report.balanced_accuracy)}
    lines = [t("cli.evaluation", run=run.name, n=report.n, **accuracies) + use_of_test(report)]
    lines += [f"{row}  {shown(name)}" for row, name in zip(_aligned(cells), names, strict=True)]
    lines += [t("cli.confusion_matrix"), *_aligned([[number(n) for n in row] for row in report.confusion_matrix])]
    return "\n".join(lines + remarks(report, run.spec) + _hyperparameters(run.spec))


def _hyperparameters(spec: RunSpec) -> list[str]:
    """A line for each hyperparameter that the run uses, and for each constant that its library uses."""
    lines = [t("cli.hyperparameters")]
    for one in hyperparameters(spec):
        line = f"  {t(f'spec.{one.name}.label')}: {shown(value_text(one.name, one.value, language()))}"
        default = value_text(one.name, one.default, language()) or "–"  # layers of one's own have no default
        lines.append(f"{line} ({default})" if one.differs else line)
    lines.append(t("cli.constants", library=t(f"option.{spec.defaults}")))
    constants = spec.constants.items()
    return lines + [f"  {t(f'constant.{name}')}: {constant_text(value, language())}" for name, value in constants]


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]


def take_out(options: argparse.Namespace) -> int:
    """Write an export of a run to a path that must be new, and say how it compares with the run's model."""
    run = find(options.run)
    named = Path(file_name(run, options.kind))
    path = options.out or (named if EXPORTS[options.kind].suffix else named.with_suffix(""))
    spoken = options.language.replace("-", "_") if options.language else language()
    check = export(run, options.kind, path, spoken, find(options.other) if options.other else None)
    facts = {"run": run.name, "as": options.kind, "path": str(path), "bytes": _size(path)}
    facts |= {"difference": check and check.difference, "n": check and check.n, "images": check and check.data}
    line = t("cli.export", path=path)
    if check:
        slots = {"difference": number(check.difference), "n": check.n, "data": check.data}
        line += "\n" + t("export.checked", **slots)
    if options.kind == "tensorboard":
        line += "\n" + t("cli.tensorboard", python=sys.executable, path=path)
    say(options, facts, line)
    if count := run.damaged_lines():
        print(t("log.damaged_lines", count=count), file=sys.stderr)
    return 0


def take_in(options: argparse.Namespace) -> int:
    """Import a run that `export --as run` has written, into the store."""
    from core.exports.archive import take_in as imported

    run = imported(options.file)
    say(options, {"run": run.name}, t("cli.imported", run=run.name))
    return 0


def _size(path: Path) -> int:
    """The bytes of a file, or of the files in a folder."""
    return sum(one.stat().st_size for one in [path, *path.rglob("*")] if one.is_file())


def codes(options: argparse.Namespace) -> int:
    """Write the codes that a run's encoder gives the images of a split into a new `.npz` file."""
    from core.models.encoder import tested_splits, write_codes
    from core.models.model import open_model

    run = find(options.run)
    file = options.out or Path(f"{run.name}-{options.split}.npz")
    splits = tested_splits(run)
    if file.exists():
        raise Refusal("error.file_taken", file=str(file))
    model = open_model(run)
    with writing(file.parent, "error.output_unwritable"), written_aside(file) as out:
        size = write_codes(run, model, splits, options.split, out)
    n = len(splits.parts()[options.split].labels)
    facts = {"run": run.name, "split": options.split, "n": n, "size": size, "file": str(file)}
    say(options, facts, t("cli.codes", file=file, n=n, size=size))
    return 0


def predict(options: argparse.Namespace) -> int:
    """What a run's model answers to picture files."""
    from core.models.model import open_model

    model = open_model(find(options.run))
    if options.sheet:
        return _predict_sheets(options, model)
    names, own_names = model.class_names[FALLBACK], model.names(language())
    failed = False
    for file in options.images:
        try:
            values, doubt, polarity = _answer(model, file)
        except Refusal as refusal:
            failed = True
            facts = {"file": file, "error": text(FALLBACK, refusal.key, **refusal.slots)}
            say(options, facts, t(refusal.key, **refusal.slots))
            continue
        label = int(values.argmax())
        facts = {"file": file, "label": label, "class": names[label], "probabilities": [float(v) for v in values]}
        if model.digits:
            facts["doubt"] = doubt and doubt.removeprefix("doubt.")
            facts["reason"] = doubt and text(FALLBACK, doubt)
        facts["polarity"] = polarity or None
        line = f"{file}: {shown(own_names[label])} ({decimals(values[label])})"
        notes = [*([t(doubt)] if doubt else ()), *([t(f"cli.polarity.{polarity}_{model.ground}")] if polarity else ())]
        say(options, facts, " ".join([line, *notes]))
    return int(failed)


def _answer(model: Model, file: str) -> tuple[np.ndarray, str | None, str]:
    """The probabilities (K,) for a picture file, of a digit model the doubt in words' key, and what became of its
    ground, see `Model.polarity`. Raises: Refusal.
    """
    from core.drawing.picture import fit_picture, open_picture
    from core.images.paper import prepared

    picture = open_picture(Path(file), file)
    if model.digits and (answer := model.answer(prepared(picture))):
        return answer.values, answer.doubt, "turned" if model.ground == "light" else ""
    image = None if model.digits else model.image(picture)
    if image is None:
        raise Refusal("error.picture_empty", file=file)
    return model.probabilities(image[None])[0], None, model.polarity(fit_picture(picture, model.shape))


def _predict_sheets(options: argparse.Namespace, model: Model) -> int:
    """What a digit model answers to the digits on pictures of sheets: a line a digit, in JSON an object a picture."""
    from core.drawing.decoder import LONGEST_SHEET
    from core.drawing.picture import open_picture
    from core.models.sheets import read_sheet

    if not model.digits:
        raise Refusal("draw.not_offered", run=model.run)
    names, own_names, failed = model.class_names[FALLBACK], model.names(language()), False
    for file in options.images:
        try:
            read = read_sheet(open_picture(Path(file), file, longest=LONGEST_SHEET), [model])
        except Refusal as refusal:
            failed = True
            own = "" if "file" in refusal.slots else f"{file}: "
            facts = {"file": file, "error": own + text(FALLBACK, refusal.key, **refusal.slots)}
            say(options, facts, own + t(refusal.key, **refusal.slots))
            continue
        digits, lines = [], [f"{file}: {t('sheet.found', count=len(read.digits))}"]
        for place, one in enumerate(read.digits, 1):
            answer = one.answers[0]
            label = int(answer.values.argmax())
            corners = one.found.corners.round(1).tolist()
            facts = {"number": place, "corners": corners, "label": label, "class": names[label]}
            facts["probability"] = float(answer.values[label])
            facts["doubt"] = answer.doubt and answer.doubt.removeprefix("doubt.")
            facts["reason"] = answer.doubt and text(FALLBACK, answer.doubt)
            facts["row"] = one.found.written
            digits.append(facts)
            left, top = one.found.corners.min(axis=0).round().astype(int)
            right, down = one.found.corners.max(axis=0).round().astype(int)
            line = f"  {place:3}  {left}, {top} – {right}, {down}  {shown(own_names[label])}"
            line += f" ({decimals(answer.values[label])})"
            if one.found.written is not None:
                line += f"  {t('cli.row', row=one.found.written)}"
            lines.append(f"{line}  {t(answer.doubt)}" if answer.doubt else line)
        if read.is_hardly_digits:
            lines.append(t("sheet.hardly"))
        facts = {"file": file, "printed": read.sheet.printed, "hardly_digits": read.is_hardly_digits, "digits": digits}
        say(options, facts, "\n".join(lines))
    return int(failed)


def print_sheet(options: argparse.Namespace) -> int:
    """Write the printable sheet in the terminal's language as a new HTML file."""
    from core.images.printed_sheet import page

    if options.html.exists():
        raise Refusal("error.file_taken", file=str(options.html))
    with writing(options.html.parent, "error.output_unwritable"), written_aside(options.html) as file:
        file.write(page(language()).encode())
    say(options, {"html": str(options.html)}, t("cli.sheet", file=options.html))
    return 0
