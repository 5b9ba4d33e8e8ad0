"""What all commands share: the language of the terminal, a run by its name, how something is printed."""

from __future__ import annotations

import argparse
import json
import locale
import os
import sys
from typing import Any

from core import store
from core.events import Report
from core.store import Run
from core.words import closest, text

USES = {"once": "", "watched": "; validated on test", "selected": "; selected on test"}
BROKEN_OFF = 130  # what a shell reports of a command that Ctrl-C ended


def find(name: str) -> Run:
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


def frozen_lines(report: Report) -> list[str]:
    """A line on the frozen layers, if there are any: their weights before and after the training."""
    if report.frozen_unchanged is None:
        return []
    said = "unchanged" if report.frozen_unchanged else "CHANGED"
    return [f"frozen weights {said}: sha256 {report.frozen_before} before, {report.frozen_after} after"]


def say(options: argparse.Namespace, facts: dict[str, Any], words: str) -> None:
    """Print facts as a line of JSON where that is asked for, else their words."""
    print(json.dumps(facts, allow_nan=False) if options.json else words, flush=True)


def mute() -> None:
    """Let go of standard output, whose reader, `head` say, has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
