"""What all commands share: the language of the terminal, a run by its name, how something is printed."""

from __future__ import annotations

import argparse
import json
import locale
import os
import re
import sys
from numbers import Real
from typing import Any

from core import store, words
from core.events import Report
from core.spec import RunSpec
from core.store import Run

BROKEN_OFF = 130  # what a shell reports of a command that Ctrl-C ended


def language() -> str:
    """The language of the terminal; its variables name it even where the system lacks that language."""
    named = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    try:
        tag = locale.normalize(named or locale.getlocale()[0] or "")  # Windows calls pt_BR Portuguese_Brazil
    except ValueError:
        tag = ""
    return words.closest(tag.partition(".")[0]) or words.FALLBACK


def t(key: str, /, **slots: object) -> str:
    """The text of a key in the language of the terminal; slots as `shown`, since many come from files."""
    safe = {name: value if isinstance(value, Real) else shown(str(value)) for name, value in slots.items()}
    return words.text(language(), key, **safe)


def shown(words: str) -> str:
    r"""Words from outside in one line that no terminal takes as a command: control characters as `\x1b`.

    These are the characters that move the cursor, change colours, end a line or turn the direction of writing, and
    those that no file can hold as text.
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), words)


_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def number(value: float, digits: int | None = None) -> str:
    """A number as the language of the terminal writes it."""
    return words.number(value, digits, language=language())


def decimals(value: float | None) -> str:
    """An accuracy or a loss with four decimals, as all commands print them; nothing where there is none."""
    return "" if value is None else number(value, 4)


def say(options: argparse.Namespace, facts: dict[str, Any], in_words: str) -> None:
    """Print facts, the same in every language, as a line of JSON where that is asked for, else their words."""
    print(
        json.dumps(facts, allow_nan=False) if options.json else "\n".join(map(shown, in_words.split("\n"))), flush=True
    )


def mute() -> None:
    """Let go of standard output, whose reader, `head` say, has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def find(name: str) -> Run:
    """The run of that name, or the only one whose name ends so. Raises: Refusal."""
    endings = [run for run in store.runs() if run.name.endswith(f"-{name}")]
    return endings[0] if len(endings) == 1 else store.find(name)


def use_of_test(report: Report) -> str:
    """What to add to a test accuracy whose test images were also validated on; nothing if they were used once."""
    return "" if report.test_use == "once" else "; " + t(f"cli.test_use.{report.test_use}")


def remarks(report: Report, spec: RunSpec) -> list[str]:
    """Lines on a training that was ended by hand, on a best epoch whose weights were lost, and on frozen layers."""
    lines = []
    if report.is_by_hand:
        lines.append(t("train.by_hand", epoch=report.epochs, epochs=spec.epochs))
    if report.lost_epoch:
        lines.append(t("train.lost_epoch", lost=report.lost_epoch, epoch=report.best_epoch))
    if report.frozen_unchanged is not None:
        key = "cli.frozen_unchanged" if report.frozen_unchanged else "cli.frozen_changed"
        lines.append(t(key, before=report.frozen_before, after=report.frozen_after))
    return lines


# What argparse says, by its own English, which it hands to gettext: the key of our text below `cli.argparse`.
_ARGPARSE = {
    "usage: ": "usage",
    "options": "options",
    "positional arguments": "arguments",
    "show this help message and exit": "help",
    "argument %(argument_name)s: %(message)s": "argument",
    "the following arguments are required: %s": "required",
    "unrecognized arguments: %s": "unrecognized",
    "invalid choice: %(value)r (choose from %(choices)s)": "choice",
    "invalid %(type)s value: %(value)r": "value",
    "expected one argument": "one_expected",
    "expected at most one argument": "most_one_expected",
    "expected at least one argument": "some_expected",
    "ambiguous option: %(option)s could match %(matches)s": "ambiguous",
    "ignored explicit argument %r": "not_expected",
}
_SLOTS = {name: f"%({name})s" for name in ("argument_name", "message", "value", "choices", "option", "matches")}


def argparse_text(english: str) -> str:
    """What argparse says, in the language of the terminal, with the slots that argparse fills."""
    key = _ARGPARSE.get(english)
    return t(f"cli.argparse.{key}", **_SLOTS, given="%s") if key else english
