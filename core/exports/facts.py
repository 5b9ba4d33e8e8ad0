"""What an exported run says of itself, in a language: nothing of the machine, its folders or its users."""

from __future__ import annotations

from collections.abc import Sequence

from core.datasets import DATASETS, dataset
from core.events import Report
from core.measures.measures import ClassMeasures
from core.models.model import DRAWN, reads_digits
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import text as layers_text
from core.refusal import Refusal
from core.spec import CUSTOM, hyperparameters, value_text
from core.store import Run, no_report
from core.words import interval, number, percent, text

MOST_WEAKEST = 3  # classes of the lowest recall that are named
APART = ("data", "architecture", "layers")  # hyperparameters that have a line of their own


def title(run: Run, language: str) -> str:
    """The network and the data in a few words."""
    return f"{architecture_name(run.spec.architecture, language)} · {data_name(run.spec.data, language)}"


def facts(run: Run, language: str) -> dict[str, str]:
    """What the run is, how it was trained and tested, as labels and values. Raises: Refusal, if it is not done."""
    return {text(language, f"export.fact.{name}"): value for name, value in facts_by_name(run, language).items()}


def facts_by_name(run: Run, language: str) -> dict[str, str]:
    """The same facts by their names, which are the same in each language. Raises: Refusal, if the run is not done."""
    spec, started, report = run.spec, run.started(), run.report()
    if not report:
        raise no_report(run)

    def said(key: str, **slots: object) -> str:
        return text(language, f"export.{key}", **slots)

    counts = {
        text(language, f"chart.{name}"): number(count, language=language) for name, count in started.counts.items()
    }
    of = ", ".join(f"{name} {count}" for name, count in counts.items())
    fields = [one for one in hyperparameters(spec) if one.name not in APART]
    names = {one.name: text(language, f"spec.{one.name}.label") for one in fields}
    settings = [f"{names[one.name]}: {value_text(one.name, one.value, language)}" for one in fields]
    versions = ", ".join(f"{name} {version}" for name, version in started.versions.items())
    between = interval(*report.accuracy_interval, 2, language=language)
    accuracy = percent(report.accuracy, 2, language=language)
    return {
        "run": run.name,
        "network": f"{architecture_name(spec.architecture, language)}: {layers_text(spec.layers)}",
        "parameters": number(started.parameters, language=language),
        "settings": "; ".join(settings),
        "data": f"{data_name(spec.data, language)} ({of})",
        "licence": licence(spec.data, language),
        "accuracy": said("accuracy", accuracy=accuracy, interval=between, n=report.n),
        "test": text(language, f"test_use.{report.test_use}").replace("**", ""),
        "epoch": said("epoch", epoch=report.best_epoch, epochs=report.epochs, by=_chosen(run, report, language)),
        "limits": limits(run, language),
        "versions": versions,
    }


def _chosen(run: Run, report: Report, language: str) -> str:
    """Why the weights are those of their epoch, and that somebody ended the training, if so."""
    by = text(language, f"chosen.{report.best_by}")
    if report.lost_epoch:
        by = text(language, "train.lost_epoch", lost=report.lost_epoch, epoch=report.best_epoch)
    if not report.is_by_hand:
        return by
    by_hand = text(language, "train.by_hand", epoch=report.epochs, epochs=run.spec.epochs)
    return f"{by.removesuffix('.')}. {by_hand}"


def taken(run: Run, report: Report, source: str) -> tuple[str, dict[str, object]] | None:
    """How the first layers came from another run, called `source`, or stayed random: None if not.

    The name of the text in the table `taken`, and its slots; `changed` is of a fault: frozen layers that did not stay.
    """
    spec = run.spec
    if not spec.taken and not spec.frozen:
        return None
    slots: dict[str, object] = {"count": spec.layers_taken, "run": source}
    if report.frozen_unchanged is None:
        return "joint", slots
    if not report.frozen_unchanged:
        return "changed", {"before": report.frozen_before, "after": report.frozen_after}
    started = run.started()
    slots |= {"trainable": started.parameters - started.frozen, "frozen": started.frozen}
    return "frozen" if spec.taken else "random", slots | {"sha256": report.frozen_after}


def weakest(classes: Sequence[ClassMeasures], names: Sequence[str], language: str) -> str:
    """The class, or some of the classes, of the lowest recall; or that all have the same."""
    seen = {k: one.recall for k, one in enumerate(classes) if one.recall.n}
    least = min(one.value for one in seen.values())
    lowest = {k: one for k, one in seen.items() if one.value == least}
    if len(lowest) == len(seen):
        return text(language, "export.card.no_weakest", recall=percent(least, 2, language=language))
    listed = []
    for k, one in list(lowest.items())[:MOST_WEAKEST]:
        between = interval(one.low, one.high, 2, language=language)
        recall = percent(one.value, 2, language=language)
        listed.append(f"{names[k]}: {text(language, 'compare.accuracy', accuracy=recall, n=one.n, interval=between)}")
    if more := len(lowest) - len(listed):
        return text(language, "export.card.weakest_more", classes="; ".join(listed), count=more)
    return text(language, "export.card.weakest", classes="; ".join(listed), count=len(listed))


def architecture_name(architecture: str, language: str) -> str:
    """An architecture's title, or its name if it has none."""
    named = architecture in ARCHITECTURES or architecture == CUSTOM
    return text(language, f"architecture.{architecture}") if named else architecture


def data_name(data: str, language: str) -> str:
    """A data set's title, or its name if it has none."""
    return text(language, f"dataset.{data}") if data in DATASETS else data


def licence(data: str, language: str) -> str:
    """The licence of a data set with its source, or that it is not known here."""
    not_stated = text(language, "data.not_stated")
    try:
        source = dataset(data)
    except Refusal:  # one's own, which is not on this machine
        return text(language, "export.licence_unknown")
    return f"{source.licence.format(not_stated=not_stated)}. {source.source}"


def limits(run: Run, language: str) -> str:
    """What the test accuracy does not promise."""
    key = "people" if run.spec.data in DRAWN else "digits" if reads_digits(run) else "images"
    return text(language, f"export.limits.{key}")
