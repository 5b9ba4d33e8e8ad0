"""Commands of the data sets: listed, fetched, and imported from files of one's own."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace

from core.commands.terminal import language, number, say, shown, t
from core.datasets import DATASETS, Dataset, dataset, datasets
from core.datasets.importing import Found, Importer, brought, free_name, importable
from core.datasets.sources import Row, Wishes
from core.images.splits import class_counts
from core.refusal import Refusal
from core.spec import checked
from core.training.ready import Remark, check, remarks
from core.words import FALLBACK, percent, text


def data(options: argparse.Namespace) -> int:
    """The data sets and whether they can be used now; or fetch one, or import one from files."""
    if options.action == "get":
        if not options.names:
            raise Refusal("error.data_unknown", name="", known=", ".join(datasets()))
        return _fetch(options)
    if options.action == "import":
        return _import(options)
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
    for path in importable():
        command = f"python -m core data import {shlex.quote(path.name)} --name {shlex.quote(free_name(path.name))}"
        facts = {"name": path.name, "state": "importable", "command": command}
        line = f"{shown(path.name):20} {t('cli.state.importable'):10} {shown(command)}"
        say(options, facts, line)
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
    one = dataset(options.names[0])
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


def _import(options: argparse.Namespace) -> int:
    """Say what the files hold and what becomes of them, then write the data set; with `--look`, only say it."""
    if not options.names:
        raise Refusal("import.no_path")
    sources = [(path.name or str(path), path) for path in map(brought, options.names)]
    wishes = Wishes(side=options.side, colour=options.colour, digits=options.digits, seed=options.seed)
    wishes = replace(wishes, turned=options.turned, by_pixel=options.by_pixel)
    name = options.name or free_name(sources[0][0])
    with Importer(sources) as importer:
        _follow(options, importer)
        importer.found()  # raises why they cannot be read
        importer.show(wishes)
        _follow(options, importer)
        found = importer.found()
        assert found
        _say_found(options, found)
        if options.look:
            return 0
        if options.digits and not found.can_be_digits:
            raise Refusal("import.no_digits", names=", ".join(found.names[:10]))
        importer.write(wishes, name)
        _follow(options, importer)
        written = importer.written()
    assert written
    for row in written["left_out"]:
        say(options, {"left_out": _row(row, FALLBACK)}, _row(row, language()))
    one = dataset(written["name"])
    said = _remarks(one)
    facts = {"name": one.name, "state": one.state()[0], "file": written["file"], "counts": dict(one.counts)}
    facts |= {"classes": list(one.class_names[FALLBACK]), "digits": one.digits, "shape": one.shape}
    facts |= {"remarks": [text(FALLBACK, key, **slots) for key, slots in said]}
    lines = [f"{shown(one.name)}: {t('cli.state.ready')} ({shown(written['file'])})"]
    say(options, facts, "\n  ".join([*lines, *(t(key, **slots) for key, slots in said)]))
    return 0


def _follow(options: argparse.Namespace, importer: Importer) -> None:
    """Wait for the importer, and say on a terminal how far it is."""
    is_seen = sys.stderr.isatty() and not options.json
    while importer.is_busy():
        importer.wait(0.2)
        file, done, total = importer.progress
        if is_seen and file:
            print(f"\r\x1b[K{shown(file)[:60]} {done}/{total}", end="", file=sys.stderr, flush=True)
    if is_seen:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _say_found(options: argparse.Namespace, found: Found) -> None:
    for row in found.rows:
        say(options, {"found": _row(row, FALLBACK)}, _row(row, language()))
    counts = {part: dict(zip(found.names, some, strict=True)) for part, some in found.counts.items()}
    lines = [
        f"  {t(f'chart.{part}')}: " + ", ".join(f"{shown(name)} {number(count)}" for name, count in some.items())
        for part, some in counts.items()
    ]
    say(options, {"counts": counts, "shape": found.shape}, "\n".join([t("import.counts"), *lines]))


def _row(row: Row, language: str) -> str:
    """A row of what was found and what becomes of it, in one line."""
    what, was, becomes = row
    sides = ("; ".join(text(language, key, **slots) for key, slots in side) for side in (was, becomes))
    return shown(f"{text(language, f'import.row.{what}')}: " + " -> ".join(filter(None, sides)))
