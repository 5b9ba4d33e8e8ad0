"""Lesson and Step: what a file of this folder says, read once and checked while it is read.

A lesson's words in all languages stand beside each other in its file. In them `[[epoch|epochs]]` is shown as `epochs`
and linked to the term `epoch` of the glossary, and `{train.start}` stands for the screen's own words of that key.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from core.refusal import Refusal
from core.spec import RunSpec, checked
from core.words import text

FOLDER = Path(__file__).parent
NAMES = ("sigmoid", "faster", "wider", "errors", "convolution", "honest", "overfitting", "drawing")
"""The lessons in the order of a course; each is the file of that name in this folder."""

Page = Literal["data", "train", "recipes", "evaluate", "draw", "drawings", "check"]
Words = Mapping[str, str]  # by language code
KEY = re.compile(r"\{([a-z_]+\.[a-z_.]+)\}")
TERM = re.compile(r"\[\[([a-z0-9_]+)\|([^\]]+)\]\]")


@dataclass(frozen=True)
class Step:
    """One thing to do: a sentence, the page that it opens, a check by observation, a question and its answer."""

    say: Words
    ask: Words
    answer: Words
    opens: Page
    check: Mapping[str, Any]  # its `kind`, see `core.lessons.checks`, and the kind's parameters
    run: str = ""  # of the lesson's runs: the one that fills the form, or that the page shows; "" for none
    seed: int | None = None  # that fills the form; None leaves the visitor's

    @property
    def named(self) -> list[str]:
        """The runs that the step is about: its own, and those of its check."""
        run = self.check.get("run", ())
        of_check = [*([run] if isinstance(run, str) else run), *self.check.get("runs", ())]
        return list(dict.fromkeys([*filter(None, [self.run]), *of_check]))


@dataclass(frozen=True)
class Lesson:
    """A lesson of some steps about a few runs."""

    name: str
    minutes: int
    title: Words
    learn: Words  # what one learns, a sentence
    runs: Mapping[str, RunSpec]  # by the names that the steps and their checks use; the seed of each is 0
    steps: tuple[Step, ...] = field(default_factory=tuple)

    def step(self, number: int) -> Step:
        """The step of a number from 1 on."""
        return self.steps[number - 1]


@functools.cache
def lesson(name: str) -> Lesson:
    """The lesson of this name. Raises: Refusal."""
    if name not in NAMES:
        raise Refusal("error.lesson_unknown", name=name[:60], known=", ".join(NAMES))
    written = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    runs = {key: checked(values) for key, values in written.get("runs", {}).items()}
    steps = tuple(Step(**step) for step in written["steps"])
    for step in steps:
        if step.opens not in get_args(Page) or not set(step.named) <= runs.keys():
            raise ValueError(f"{name}: a step opens {step.opens} and names {step.named}")
    return Lesson(name, written["minutes"], written["title"], written["learn"], runs, steps)


def lessons() -> list[Lesson]:
    """All lessons, in the order of a course."""
    return [lesson(name) for name in NAMES]


def filled(words: Words, language: str, link: Callable[[str, str], str]) -> str:
    """A lesson's words in a language: texts of the screen filled in, and each term as `link` writes its name and words.

    Raises: KeyError, for a text key or a language that does not exist.
    """
    said = KEY.sub(lambda found: f"*{text(language, found[1])}*", words[language])
    return TERM.sub(lambda found: link(found[1], found[2]), said)
