"""Commands of the data sets: listed and fetched."""

from __future__ import annotations

import argparse

from core.commands.terminal import language, say, shown, t
from core.datasets import DATASETS, dataset, datasets
from core.refusal import Refusal
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
        reason = t(why, name=name) if why else ""
        say(options, facts, f"{shown(name):20} {t(f'cli.state.{state}'):10} {reason}".rstrip())
    return 0


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
