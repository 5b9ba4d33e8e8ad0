"""What an exported run says of itself, in a language: nothing of the machine, its folders or its users."""

from __future__ import annotations

from core.datasets import DATASETS, dataset
from core.models.model import DRAWN, reads_digits
from core.networks.architectures import ARCHITECTURES
from core.networks.layers import text as layers_text
from core.refusal import Refusal
from core.spec import CUSTOM, hyperparameters, value_text
from core.store import Run, no_report
from core.words import interval, number, percent, text

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

    of = ", ".join(f"{name} {number(count, language=language)}" for name, count in started.counts.items())
    fields = [one for one in hyperparameters(spec) if one.name not in APART]
    names = {one.name: text(language, f"spec.{one.name}.label") for one in fields}
    settings = [f"{names[one.name]}: {value_text(one.name, one.value, language)}" for one in fields]
    versions = ", ".join(f"{name} {version}" for name, version in started.versions.items())
    between = interval(*report.accuracy_interval, 2, language=language)
    accuracy = percent(report.accuracy, 2, language=language)
    chosen = text(language, f"chosen.{report.best_by}")
    return {
        "run": run.name,
        "network": f"{architecture_name(spec.architecture, language)}: {layers_text(spec.layers)}",
        "parameters": number(started.parameters, language=language),
        "settings": "; ".join(settings),
        "data": f"{data_name(spec.data, language)} ({of})",
        "licence": licence(spec.data, language),
        "accuracy": said("accuracy", accuracy=accuracy, interval=between, n=report.n),
        "test": text(language, f"test_use.{report.test_use}").replace("**", ""),
        "epoch": said("epoch", epoch=report.best_epoch, epochs=report.epochs, by=chosen),
        "limits": limits(run, language),
        "versions": versions,
    }


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
