"""Export of a run as a model card: Markdown, in each language, below the metadata that Hugging Face reads."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from core.events import Report
from core.exports.facts import data_name, facts, title, weakest
from core.measures.answers import stored_answers
from core.measures.calibration import calibration
from core.measures.measures import ClassMeasures, measures
from core.recipes import RECIPES
from core.recipes.searches import belongs_to
from core.store import Run, no_report
from core.words import FALLBACK, interval, languages, number, percent, text

MARKS = re.compile(r"[\\`*_{}\[\]<>|#&~]")  # what has a meaning in Markdown or in a table of it


def write(run: Run, path: Path) -> None:
    """Write the card to a new file. Raises: Refusal, if the run is damaged or not done."""
    report = run.report()
    if not report:
        raise no_report(run)
    order = sorted(languages(), key=lambda code: code != FALLBACK)
    parts = [_metadata(run, report), *(_card(run, report, language) for language in order)]
    path.write_text("\n".join(parts), encoding="utf-8")


def _metadata(run: Run, report: Report) -> str:
    """The front matter; JSON values, since they are YAML as well.

    It names no licence of the model, which only its maker can choose. Source: huggingface.co/docs/hub/model-cards.
    """
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": data_name(run.spec.data, FALLBACK), "type": run.spec.data, "split": "test"},
        "metrics": [
            {"type": "accuracy", "value": report.accuracy},
            {"type": "balanced_accuracy", "value": report.balanced_accuracy},
        ],
    }
    fields = {
        "language": [code.replace("_", "-") for code in languages()],
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "bancada"],
        "datasets": [run.spec.data],
        "metrics": ["accuracy"],
        "model-index": [{"name": run.name, "results": [result]}],
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---", ""])


def _card(run: Run, report: Report, language: str) -> str:
    def said(key: str, **slots: object) -> str:
        return text(language, f"export.card.{key}", **slots)

    names, result = run.class_names(language), measures(report.confusion_matrix)
    known = [f"| {plain(name)} | {plain(value)} |" for name, value in facts(run, language).items()]
    lines = [f"# {plain(title(run, language))}", "", f"| {said('what')} | |", "|---|---|", *known, ""]
    lines += [f"## {said('classes')}", "", *_classes(result.classes, names, language), ""]
    lines += [weakest(result.classes, list(map(plain, names)), language), "", _calibration(run, language), ""]
    if found := _errata(run, language):
        lines += [f"## {said('errata')}", "", *(f"- {one}" for one in found), ""]
    return "\n".join(lines)


def _classes(classes: Sequence[ClassMeasures], names: Sequence[str], language: str) -> list[str]:
    """The table of the classes: precision, recall with its interval, F1, number of images."""
    heads = [text(language, f"cli.measure.{name}") for name in ("class", "precision", "recall", "f1", "support")]
    lines = [f"| {' | '.join(heads)} |", "|---|---:|---:|---:|---:|"]
    for name, one in zip(names, classes, strict=True):
        recall = percent(one.recall.value, 2, language=language)
        if one.recall.n:
            recall += f" ({interval(one.recall.low, one.recall.high, 2, language=language)})"
        others = (percent(measure.value, 2, language=language) for measure in (one.precision, one.f1))
        precision, f1 = others
        cells = [plain(name), precision, recall, f1, number(one.support, language=language)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _calibration(run: Run, language: str) -> str:
    """How the mean confidence compares with the accuracy."""
    answers = stored_answers(run)
    assert answers
    slots = {
        "confidence": percent(float(answers.confidence.mean()), 2, language=language),
        "accuracy": percent(float(answers.is_right.mean()), 2, language=language),
        "error": percent(calibration(answers).error, 2, language=language),
    }
    return text(language, "export.card.calibration", **slots)


def _errata(run: Run, language: str) -> list[str]:
    """What is known to be wrong in the published experiment that the run repeats."""
    found = belongs_to(run.spec)
    return [text(language, key) for _, key in RECIPES[found[0]].errata] if found else []


def plain(words: str) -> str:
    """Words in one line that Markdown shows as they are."""
    return MARKS.sub(r"\\\g<0>", " ".join(words.split()))
