"""Commands of the data sets: listed and fetched."""

from __future__ import annotations

import argparse

from core.commands.terminal import language, say, shown, t
from core.datasets import DATASETS, Dataset, dataset, datasets
from core.images.splits import class_counts
from core.refusal import Refusal
from core.spec import checked
from core.training.ready import Remark, check, remarks
from core.words import FALLBACK, percent, text


def data(options: argparse.Namespace) -> int:
    """The data sets and whether they can be used now; or fetch one."""
    if options.action == "get":
        if not options.name:
            raise Refusal("error.data_unknown", name="", known=", ".join(datasets()))
        return _fetch(options)
    for name, one in datasets().items():
        state, why = one.state()
        title = text(FALLBACK, f"dataset.{name}") if name in DATASETS else name
        facts = {"name": name, "title": title, "state": state, "why": text(FALLBACK, why, name=name) if why else ""}
        licence = one.licence.format(not_stated=text(FALLBACK, "data.not_stated"))
        facts |= {"shape": one.shape, "counts": dict(one.counts), "source": one.source, "licence": licence}
        said = _remarks(one) if state == "ready" else []
        facts |= {"remarks": [text(FALLBACK, key, **slots) for key, slots in said]}
        reason = t(why, name=name) if why else ""
        line = f"{shown(name):20} {t(f'cli.state.{state}'):10} {reason}".rstrip()
        say(options, facts, "\n  ".join([line, *(t(key, **slots) for key, slots in said)]))
    return 0


def _remarks(source: Dataset) -> list[Remark]:
    """Why the data cannot be trained on with the default split, or which classes its splits lack.

    Of users' own data only: the others have every class in every split, and reading their labels takes seconds.
    """
    if source.read_labels is None:
        return []
    try:
        spec = checked({"data": source.name})
        counts = class_counts(spec, source)
        check(spec, counts, ())
        return remarks(spec, counts, source.class_names[FALLBACK])
    except Refusal as refusal:
        return [(refusal.key, refusal.slots)]


def _fetch(options: argparse.Namespace) -> int:
    one = dataset(options.name)
    shown = [-1]

    def progress(done: int, total: int) -> None:
        hundredths = 100 * done // total if total else 0
        if hundredths > shown[0]:
            shown[0] = hundredths
            words = f"{one.name}: {percent(hundredths / 100, 0, language=language())}"
            say(options, {"name": one.name, "done": done, "total": total}, words)

    if one.state()[0] != "ready":
        one.fetch(progress)
    one.load()
    say(options, {"name": one.name, "state": "ready"}, f"{one.name}: {t('cli.state.ready')}")
    return 0
