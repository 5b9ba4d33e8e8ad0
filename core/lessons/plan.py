"""The plan of a lesson with a class: minute by minute, what to do, what to ask, what is answered, what may go wrong."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path

from core.lessons.lesson import Words, filled
from core.lessons.sheet import STYLE, definitions
from core.words import languages, text

FILE = Path(__file__).parent / "class.toml"
SAYS = ("do", "ask", "usual", "wrong")


@dataclass(frozen=True)
class Part:
    """A part of the lesson."""

    begins: int  # minute, from 0
    ends: int  # minute; `begins` for what takes no time of its own: before the lesson, or in place of a part
    title: Words
    says: dict[str, Words]  # of `SAYS`, those that there are

    @property
    def time(self) -> str:
        """When it is: `6–16`; "" if it takes no time of its own."""
        return f"{self.begins}–{self.ends}" if self.ends > self.begins else ""


@dataclass(frozen=True)
class Plan:
    """The plan of a lesson."""

    minutes: int
    title: Words
    learn: Words
    parts: tuple[Part, ...]


@functools.cache
def plan() -> Plan:
    """The plan. Raises: ValueError, if its parts do not fill its minutes."""
    written = tomllib.loads(FILE.read_text(encoding="utf-8"))
    parts, now = [], 0
    for one in written["parts"]:
        parts.append(Part(now, now + one["minutes"], one["title"], {key: one[key] for key in SAYS if key in one}))
        now += one["minutes"]
    if now != written["minutes"]:
        raise ValueError(f"{now} minutes")
    return Plan(written["minutes"], written["title"], written["learn"], tuple(parts))


def plan_page(first: str) -> str:
    """The plan as one HTML page to print, in every language, beginning with the language `first`."""
    order = sorted(languages(), key=lambda code: code != first)
    title = escape(plan().title[first])
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    begin = f'<!DOCTYPE html>\n<html lang="{first.replace("_", "-")}">\n<head>{head}</head>\n<body>'
    return "\n".join([begin, *map(_article, order), "</body></html>\n"])


def _article(language: str) -> str:
    def words(which: Words) -> str:
        return escape(filled(which, language, lambda _, shown: shown).replace("*", ""))

    def said(key: str, **slots: object) -> str:
        return escape(text(language, key, **slots))

    now = plan()
    facts = {
        said("lessons.minutes_label"): said("lessons.minutes", minutes=now.minutes),
        said("lessons.learn_label"): words(now.learn),
    }
    sections = []
    for part in now.parts:
        time = f"{said('lessons.plan.minutes', time=part.time)} " if part.time else ""
        rows = {said(f"lessons.plan.{key}"): words(one) for key, one in part.says.items()}
        sections.append(f"<section><h2>{time}{words(part.title)}</h2>\n{definitions(rows)}</section>")
    body = "\n".join([f"<h1>{words(now.title)}</h1>", definitions(facts), *sections])
    return f'<article lang="{language.replace("_", "-")}">\n{body}\n</article>'
