"""Commands of the data sets: listed and fetched."""

from __future__ import annotations

import argparse

from core.commands.terminal import say, sentence
from core.datasets import DATASETS, dataset, datasets
from core.refusal import Refusal


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
        say(options, facts, f"{name:20} {state:10} {reason}")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    one = dataset(options.name)
    shown = [-1]

    def progress(done: int, total: int) -> None:
        percent = 100 * done // total if total else 0
        if percent > shown[0]:
            shown[0] = percent
            say(options, {"name": one.name, "done": done, "total": total}, f"{one.name}: {percent} %")

    if one.state()[0] != "ready":
        one.fetch(progress)
    one.load()
    say(options, {"name": one.name, "state": "ready"}, f"{one.name}: ready")
    return 0
